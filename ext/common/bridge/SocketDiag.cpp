#include "bridge/SocketDiag.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge::SocketDiag {

namespace {

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
    struct {
        nlmsghdr header;
        inet_diag_req_v2 request;
    } question{{sizeof(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0}, {}};
    question.request.sdiag_family = static_cast<std::uint8_t>(own.ss_family);
    question.request.sdiag_protocol = IPPROTO_TCP;
    question.request.idiag_states = ~0U;
    copy(own, question.request.id.idiag_src, question.request.id.idiag_sport);
    if (peer != nullptr) {
        copy(*peer, question.request.id.idiag_dst, question.request.id.idiag_dport);
    }
    question.request.id.idiag_cookie[0] = question.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;

    const FileDescriptor kernel(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    struct {
        nlmsghdr header;
        inet_diag_msg socket;
        std::array<char, 4096> more;
    } answer{};
    // The answer is there when the question was sent.
    if (!kernel || ::send(kernel.get(), &question, sizeof(question), 0) != static_cast<ssize_t>(sizeof(question)) ||
        ::recv(kernel.get(), &answer, sizeof(answer), MSG_DONTWAIT) <
            static_cast<ssize_t>(sizeof(answer.header) + sizeof(answer.socket)) ||
        answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY) {
        return std::nullopt;
    }
    return answer.socket;
}

}  // namespace Passenger::Bridge::SocketDiag
