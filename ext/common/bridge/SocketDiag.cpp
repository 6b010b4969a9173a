#include "bridge/SocketDiag.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge::SocketDiag {

namespace {

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

/** The kernel's answer, which is there when the question was sent. Empty: there is none. */
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

/** Writes the address and the port as the kernel wants them: in the order of the network. */
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

}  // namespace

std::optional<inet_diag_msg> tcpSocket(const sockaddr_storage &own, const sockaddr_storage *peer) {
    inet_diag_req_v2 request{};
    request.sdiag_family = static_cast<std::uint8_t>(own.ss_family);
    request.sdiag_protocol = IPPROTO_TCP;
    request.idiag_states = ~0U;
    copy(own, request.id.idiag_src, request.id.idiag_sport);
    if (peer != nullptr) {
        copy(*peer, request.id.idiag_dst, request.id.idiag_dport);
    }
    request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    const std::string answer = answerTo(request);
    std::string_view rest = answer;
    return take<inet_diag_msg>(rest);
}

std::optional<inet_diag_msg> tcpPeer(int connection) {
    sockaddr_storage peer{};
    sockaddr_storage own{};
    socklen_t size = sizeof(peer);
    socklen_t ownSize = sizeof(own);
    if (::getpeername(connection, reinterpret_cast<sockaddr *>(&peer), &size) != 0 ||
        ::getsockname(connection, reinterpret_cast<sockaddr *>(&own), &ownSize) != 0) {
        return std::nullopt;
    }
    const std::optional<inet_diag_msg> found = tcpSocket(peer, &own);
    // Without such a connection the kernel finds the socket that listens.
    return found && found->idiag_state != TCP_LISTEN ? found : std::nullopt;
}

std::optional<std::uint32_t> unixPeer(int connection) {
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
            return take<std::uint32_t>(rest);
        }
        const std::size_t size = std::max<std::size_t>(NLA_ALIGN(attribute->nla_len), NLA_HDRLEN) - NLA_HDRLEN;
        rest.remove_prefix(std::min(size, rest.size()));
    }
    return std::nullopt;
}

}  // namespace Passenger::Bridge::SocketDiag
