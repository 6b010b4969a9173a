#include "bridge/PortListener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "bridge/SocketDiag.h"

namespace Passenger::Bridge {

namespace {

/** In the form of /proc/net/tcp and /proc/net/tcp6. */
std::string inHex(const in_addr &address) {
    return fmt::format("{:08X}", address.s_addr);
}

std::string inHex(const in6_addr &address) {
    std::string result;
    for (const std::uint32_t word : address.s6_addr32) {
        result += fmt::format("{:08X}", word);
    }
    return result;
}

in6_addr mapped(const in_addr &address) {
    in6_addr result{};
    result.s6_addr32[2] = htonl(0xFFFF);
    result.s6_addr32[3] = address.s_addr;
    return result;
}

/** The user whose socket listens on the port at the address. The table has these sockets first. */
std::optional<uid_t> listenerIn(const char *table, std::uint16_t port, const std::string &address) {
    std::ifstream file(table);
    if (!file && errno != ENOENT) {
        throw SystemException(table, errno);
    }
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        // "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 …"
        char itsAddress[33] = {};
        unsigned itsPort = 0;
        unsigned state = 0;
        unsigned user = 0;
        const int found =
            std::sscanf(line.c_str(), "%*d: %32[0-9A-F]:%x %*s %x %*s %*s %*s %u", itsAddress, &itsPort, &state, &user);
        if (found != 4 || state != TCP_LISTEN) {
            break;
        }
        if (itsPort == port && itsAddress == address) {
            return user;
        }
    }
    return std::nullopt;
}

}  // namespace

/** The kernel takes a socket at the address before one at all addresses of the machine. For IPv4,
 *  one at all IPv6 addresses comes last: it may take IPv6 only. */
std::optional<uid_t> userOfListenerInTables(const sockaddr_storage &address) {
    constexpr const char *TABLE = "/proc/net/tcp";
    constexpr const char *TABLE6 = "/proc/net/tcp6";
    std::vector<std::pair<const char *, std::string>> places;
    if (address.ss_family == AF_INET) {
        const auto &v4 = reinterpret_cast<const sockaddr_in &>(address);
        places = {{TABLE, inHex(v4.sin_addr)},
                  {TABLE6, inHex(mapped(v4.sin_addr))},
                  {TABLE, inHex(in_addr{INADDR_ANY})},
                  {TABLE6, inHex(in6addr_any)}};
    } else {
        const auto &v6 = reinterpret_cast<const sockaddr_in6 &>(address);
        places = {{TABLE6, inHex(v6.sin6_addr)}, {TABLE6, inHex(in6addr_any)}};
    }
    // sockaddr_in and sockaddr_in6 have the port at the same offset.
    const std::uint16_t port = ntohs(reinterpret_cast<const sockaddr_in &>(address).sin_port);
    for (const auto &[table, itsAddress] : places) {
        if (const std::optional<uid_t> user = listenerIn(table, port, itsAddress)) {
            return user;
        }
    }
    return std::nullopt;
}

std::optional<uid_t> userOfListener(const sockaddr_storage &address) {
    const std::optional<inet_diag_msg> socket = SocketDiag::tcpSocket(address, nullptr);
    // Without an answer, there may be none, or the kernel may not tell it.
    return socket && socket->idiag_state == TCP_LISTEN ? std::optional<uid_t>(socket->idiag_uid)
                                                       : userOfListenerInTables(address);
}

}  // namespace Passenger::Bridge
