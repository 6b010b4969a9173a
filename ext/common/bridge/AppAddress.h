#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge {

/** The address of an application: a port of this machine or a Unix socket. A plain value. */
class AppAddress {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    AppAddress() = default;
    /**
     * @param host an IP address
     * @throws IOException when it is not
     */
    static AppAddress tcp(const std::string &host, std::uint16_t port);
    /** @throws IOException when the path is too long for a socket */
    static AppAddress unixSocket(const std::string &path);
    /**
     * A port of that address that is unused at this moment.
     * @throws IOException, SystemException
     */
    static std::uint16_t unusedPort(const std::string &host);

    /**
     * The user of the socket that the kernel gives a connection to: of one at this address, before
     * one at all addresses of the machine. For IPv4, one at all IPv6 addresses comes last: it may
     * take IPv6 only. Nothing: none listens, or this is a Unix socket.
     */
    std::optional<uid_t> listener() const;

    /**
     * A connected, non-blocking socket. No descriptor, and errno: no process accepted the
     * connection by the deadline.
     */
    FileDescriptor connect(Deadline deadline) const;
    /**
     * As connect(), to a process of this user: where another user's process listens, the connection
     * is refused. A Unix socket is in a folder of this user.
     */
    FileDescriptor connectToThisUsers(Deadline deadline) const;
    /** 0: a Unix socket. */
    std::uint16_t port() const noexcept;
    /** For messages. */
    const std::string &text() const noexcept {
        return text_;
    }

private:
    sockaddr_storage address_{};
    socklen_t size_ = 0;
    std::string text_;
};

}  // namespace Passenger::Bridge
