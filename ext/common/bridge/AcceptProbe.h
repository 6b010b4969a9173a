#pragma once

#include <utility>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge {

/**
 * A connection by which the bridge looks whether the application accepts connections. An open port
 * does not say so: the first process of a server may listen before its workers have loaded the
 * application, and the kernel connects clients meanwhile. The kernel tells whether a process has
 * accepted this connection (NETLINK_SOCK_DIAG), whatever else waits for that. No right is needed.
 *
 * Not thread-safe. Always true: the server gets no byte, except for an empty line where the kernel
 * shows the connection to the server only once a byte has come (TCP_DEFER_ACCEPT).
 */
class AcceptProbe {
public:
    /** Has no connection. */
    AcceptProbe() noexcept = default;
    /** @param connection a connected, non-blocking TCP or Unix socket; or none */
    explicit AcceptProbe(FileDescriptor connection) noexcept : connection_(std::move(connection)) {}

    /** Whether it has a connection. */
    explicit operator bool() const noexcept { return static_cast<bool>(connection_); }
    /**
     * Whether a process has accepted the connection. Needs one, and does not wait. Also true where
     * the kernel does not tell it, as in some containers. False, and there is no connection
     * afterwards: the other end or the kernel has given the connection up. A new one may succeed.
     */
    bool accepted();

private:
    FileDescriptor connection_;
    /** The kernel has told about the server's end. */
    bool told_ = false;
    /** Looks that found the connection not made yet. */
    unsigned unmade_ = 0;
};

}  // namespace Passenger::Bridge
