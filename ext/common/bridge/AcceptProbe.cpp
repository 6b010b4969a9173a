#include "bridge/AcceptProbe.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace Passenger::Bridge {

namespace {

/** What the kernel tells about the server's end of a connection. */
struct ServersEnd {
    /** Of its socket, which a process has from accept() on; before, this is 0. */
    std::uint32_t inode = 0;
    /** TCP: the server's side has not made the connection. */
    bool unmade = false;
};

/** Servers ignore it before a request (RFC 9112, 2.2). */
constexpr std::string_view EMPTY_LINE = "\r\n";

/** The structure at the beginning of the bytes, which are cut by `size`. Nothing: they are too
 *  few. */
template <typename Part> std::optional<Part> take(std::string_view &bytes, std::size_t size = sizeof(Part)) {
    if (bytes.size() < sizeof(Part)) {
        return std::nullopt;
    }
    Part part;
    std::memcpy(&part, bytes.data(), sizeof(Part));
    bytes.remove_prefix(std::min(size, bytes.size()));
    return part;
}

/** The kernel's answer to a question about one socket, which comes at once. Empty: there is
 *  none. */
template <typename Request> std::string answerTo(const Request &request) {
    struct {
        nlmsghdr header;
        Request request;
    } message{{sizeof(message), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0}, request};
    const FileDescriptor kernel(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!kernel || ::send(kernel.get(), &message, sizeof(message), 0) != static_cast<ssize_t>(sizeof(message))) {
        return "";
    }
    std::array<char, 4096> buffer{};
    const ssize_t size = ::recv(kernel.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    std::string_view answer(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    const auto header = take<nlmsghdr>(answer);
    return header && header->nlmsg_type == SOCK_DIAG_BY_FAMILY ? std::string(answer) : "";
}

/** By the bridge's end, whose peer the kernel tells. */
std::optional<ServersEnd> serversEndOfUnix(int connection) {
    struct stat status {};
    if (::fstat(connection, &status) != 0) {
        return std::nullopt;
    }
    unix_diag_req request{};
    request.sdiag_family = AF_UNIX;
    request.udiag_states = ~0U;
    request.udiag_ino = static_cast<std::uint32_t>(status.st_ino);
    request.udiag_show = UDIAG_SHOW_PEER;
    request.udiag_cookie[0] = request.udiag_cookie[1] = ~0U;
    const std::string answer = answerTo(request);
    std::string_view rest = answer;
    take<unix_diag_msg>(rest);
    while (const auto attribute = take<nlattr>(rest, NLA_HDRLEN)) {
        if (attribute->nla_type == UNIX_DIAG_PEER) {
            const auto inode = take<std::uint32_t>(rest);
            return inode ? std::optional(ServersEnd{*inode}) : std::nullopt;
        }
        const std::size_t size = std::max<std::size_t>(NLA_ALIGN(attribute->nla_len), NLA_HDRLEN) - NLA_HDRLEN;
        rest.remove_prefix(std::min(size, rest.size()));
    }
    return std::nullopt;
}

/** Writes an address and a port as the kernel wants them: in the order of the network. */
void copy(const sockaddr_storage &from, __be32 (&address)[4], __be16 &port) {
    if (from.ss_family == AF_INET) {
        const auto &v4 = reinterpret_cast<const sockaddr_in &>(from);
        std::memcpy(address, &v4.sin_addr, sizeof(v4.sin_addr));
        port = v4.sin_port;
    } else {
        const auto &v6 = reinterpret_cast<const sockaddr_in6 &>(from);
        std::memcpy(address, &v6.sin6_addr, sizeof(v6.sin6_addr));
        port = v6.sin6_port;
    }
}

/** @param server the address at the server's end, @param own at the bridge's */
std::optional<ServersEnd> serversEndOfTcp(const sockaddr_storage &server, const sockaddr_storage &own) {
    inet_diag_req_v2 request{};
    request.sdiag_family = static_cast<std::uint8_t>(server.ss_family);
    request.sdiag_protocol = IPPROTO_TCP;
    request.idiag_states = ~0U;
    copy(server, request.id.idiag_src, request.id.idiag_sport);
    copy(own, request.id.idiag_dst, request.id.idiag_dport);
    request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    const std::string answer = answerTo(request);
    std::string_view rest = answer;
    const auto found = take<inet_diag_msg>(rest);
    // Without such a connection the kernel finds the socket that listens.
    return found && found->idiag_state != TCP_LISTEN
               ? std::optional(ServersEnd{found->idiag_inode, found->idiag_state == TCP_SYN_RECV})
               : std::nullopt;
}

/** Nothing: the kernel does not tell it. */
std::optional<ServersEnd> serversEnd(int connection) {
    sockaddr_storage server{};
    sockaddr_storage own{};
    socklen_t size = sizeof(server);
    socklen_t ownSize = sizeof(own);
    if (::getpeername(connection, reinterpret_cast<sockaddr *>(&server), &size) != 0 ||
        ::getsockname(connection, reinterpret_cast<sockaddr *>(&own), &ownSize) != 0) {
        return std::nullopt;
    }
    return server.ss_family == AF_UNIX ? serversEndOfUnix(connection) : serversEndOfTcp(server, own);
}

}  // namespace

bool AcceptProbe::accepted() {
    char byte = 0;
    if (::recv(connection_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) {
        // A process has sent something, or has closed the connection in order.
        return true;
    }
    if (errno != EAGAIN && errno != EINTR) {
        connection_.reset();
        return false;
    }
    const auto end = serversEnd(connection_.get());
    if (!end) {
        // A server that has not seen the connection yet tells the bridge nothing when it ends.
        if (told_) {
            connection_.reset();
        }
        return !told_;
    }
    told_ = true;
    // The first look may come before the last packet by which the connection is made.
    if (end->unmade && ++unmade_ == 2) {
        ::send(connection_.get(), EMPTY_LINE.data(), EMPTY_LINE.size(), MSG_NOSIGNAL);
    }
    return end->inode != 0;
}

}  // namespace Passenger::Bridge
