#pragma once

#include <utility>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge {

/**
 * A connection by which the bridge looks whether the application accepts connections. An open port
 * does not say so: the first process of a server may listen before its workers have loaded the
 * application, and the kernel connects clients meanwhile. NETLINK_SOCK_DIAG tells, without
 * privileges, whether a process has accepted this connection.
 *
 * Not thread-safe. Always true: the server gets no byte, except for an empty line where the kernel
 * shows the connection to the server only once a byte has come (TCP_DEFER_ACCEPT).
 */
class AcceptProbe {
public:
    AcceptProbe() noexcept = default;
    /** @param connection a connected, non-blocking TCP or Unix socket; or none */
    explicit AcceptProbe(FileDescriptor connection) noexcept : connection_(std::move(connection)) {}

    explicit operator bool() const noexcept { return static_cast<bool>(connection_); }
    /**
     * Whether a process has accepted the connection. Needs a connection. Does not wait. True as
     * well if the kernel gives no information, as in some containers. After the other end or the
     * kernel has given the connection up, returns false and has no connection; the caller may make
     * a new probe.
     */
    bool accepted();

private:
    FileDescriptor connection_;
    /** The kernel has told about the server's end. */
    bool kernelAnswered_ = false;
    /** Looks that found the connection not made yet. */
    unsigned unconnectedLooks_ = 0;
};

}  // namespace Passenger::Bridge
