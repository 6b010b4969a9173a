#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
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

    /** Between two attempts after EAGAIN. */
    static constexpr std::chrono::milliseconds FULL_BACKLOG_PAUSE{5};

    AppAddress() = default;
    /**
     * @param host an IP address
     * @throws IOException when it is not
     */
    static AppAddress tcp(const std::string &host, std::uint16_t port);
    /** @throws IOException when the path is too long for a socket */
    static AppAddress unixSocket(const std::string &path);
    /**
     * A port that is unused at this moment, at all addresses of this machine: the application may
     * listen at all of them, and connections to elsewhere have ports, too.
     * @throws IOException, SystemException
     */
    static std::uint16_t unusedPort(const std::string &host);
    /** Whether any socket of this machine has the port, also one without a listener, as that of a
     *  connection. */
    bool isTaken() const;

    /**
     * The user of the TCP socket that gets connections to this address. Nothing: no socket listens,
     * or this is a Unix socket.
     * @throws SystemException where the user cannot be found out
     */
    std::optional<uid_t> listener() const;

    /** A non-blocking socket that connects to this address. No descriptor, and errno: there is
     *  none. EAGAIN: the queue of a Unix socket is full, and the kernel does not report room. */
    FileDescriptor startConnecting() const;
    /** 0: the socket of startConnecting() is connected. EINPROGRESS: not yet; it becomes writable
     *  then. Otherwise the errno of the failure. */
    static int outcomeOf(const FileDescriptor &connecting) noexcept;
    /**
     * A connected, non-blocking socket, which no process need have accepted. No descriptor, and
     * errno: the connection was not made by the deadline.
     */
    FileDescriptor connect(Deadline deadline) const;
    /** 0, or an errno: why a connection to this address is not one to a process of this user.
     *  EADDRINUSE: another user's process listens. Where the kernel does not tell who has accepted
     *  the connection, the user that listens counts. A Unix socket is in a folder of this user. */
    int refusalOf(const FileDescriptor &connection) const;
    /** Whether this errno of connect() or refusalOf() says that none of this user's processes
     *  listens, perhaps until one starts again. */
    static bool isRefusal(int error) noexcept {
        return error == ECONNREFUSED || error == ENOENT || error == EADDRINUSE;
    }
    /** 0: a Unix socket. */
    std::uint16_t port() const noexcept;
    /** For messages. */
    const std::string &text() const noexcept { return text_; }

private:
    /** The same port at all addresses of the family. */
    AppAddress everywhere() const;

    sockaddr_storage address_{};
    socklen_t size_ = 0;
    std::string text_;
};

}  // namespace Passenger::Bridge
