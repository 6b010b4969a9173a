#pragma once

#include <linux/inet_diag.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>

/**
 * The kernel's facts about one socket of this network namespace (sock_diag(7)). A question takes
 * microseconds, however many sockets there are, and needs no right. Thread-safe; does not wait. The
 * result is empty if there is no such socket, or if the kernel gives no facts, as in some
 * containers.
 */
namespace Passenger::Bridge::SocketDiag {

/**
 * @param own the address of the socket
 * @param peer the address at the other end; null: the socket that would get a connection to `own`,
 *     and listens
 */
std::optional<inet_diag_msg> tcpSocket(const sockaddr_storage &own, const sockaddr_storage *peer);
/** The socket at the other end of a connection to this machine. Its inode is 0, and its user
 *  unknown, until a process has accepted the connection. */
std::optional<inet_diag_msg> tcpPeer(int connection);
/** The inode of the socket at the other end of a connection of Unix sockets. 0: no process has
 *  accepted the connection. */
std::optional<std::uint32_t> unixPeer(int connection);

}  // namespace Passenger::Bridge::SocketDiag
