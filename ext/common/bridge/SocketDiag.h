#pragma once

#include <linux/inet_diag.h>
#include <sys/socket.h>

#include <optional>

namespace Passenger::Bridge::SocketDiag {

/**
 * What the kernel tells of one TCP socket of this network namespace (sock_diag(7)). A question
 * takes microseconds, however many sockets there are, and needs no right. Thread-safe; does not
 * wait.
 * @param own the address of the socket
 * @param peer the address at the other end; null: the socket that would get a connection to `own`,
 *     and listens
 * @return nothing: there is no such socket, or the kernel does not tell it, as in some containers
 */
std::optional<inet_diag_msg> tcpSocket(const sockaddr_storage &own, const sockaddr_storage *peer);

}  // namespace Passenger::Bridge::SocketDiag
