#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <optional>

namespace Passenger::Bridge {

/**
 * The user of the TCP socket that the kernel gives connections to this address to, in this network
 * namespace. Thread-safe; does not wait.
 * @return nothing: no socket listens there
 * @throws SystemException where that cannot be told, for want of a descriptor
 */
std::optional<uid_t> userOfListener(const sockaddr_storage &address);
/** The same from the tables of all sockets in /proc/net, which takes milliseconds. It is for
 *  kernels that tell nothing of a single socket. */
std::optional<uid_t> userOfListenerInTables(const sockaddr_storage &address);

}  // namespace Passenger::Bridge
