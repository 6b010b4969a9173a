#include "bridge/AcceptProbe.h"

#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bridge/SocketDiag.h"

namespace Passenger::Bridge {

namespace {

/** The kernel's facts about the server's end of a connection. */
struct ServersEnd {
    /** The inode of its socket. Before a process has accepted the connection, this is 0. */
    std::uint32_t inode = 0;
    /** TCP: the server's side has not made the connection. */
    bool unmade = false;
};

/** Servers ignore it before a request (RFC 9112, 2.2). */
constexpr std::string_view EMPTY_LINE = "\r\n";

/** Nothing: the kernel does not tell it. */
std::optional<ServersEnd> serversEnd(int connection) {
    int family = AF_UNSPEC;
    socklen_t size = sizeof(family);
    if (::getsockopt(connection, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX) {
        const std::optional<std::uint32_t> inode = SocketDiag::unixPeer(connection);
        return inode ? std::optional(ServersEnd{*inode}) : std::nullopt;
    }
    const std::optional<inet_diag_msg> found = SocketDiag::tcpPeer(connection);
    return found ? std::optional(ServersEnd{found->idiag_inode, found->idiag_state == TCP_SYN_RECV}) : std::nullopt;
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
        if (kernelAnswered_) {
            connection_.reset();
        }
        return !kernelAnswered_;
    }
    kernelAnswered_ = true;
    // The first look may come before the last packet by which the connection is made.
    if (end->unmade && ++unconnectedLooks_ == 2) {
        ::send(connection_.get(), EMPTY_LINE.data(), EMPTY_LINE.size(), MSG_NOSIGNAL);
    }
    return end->inode != 0;
}

}  // namespace Passenger::Bridge
