#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge {

/** Where an application listens: a port of this machine, or a Unix socket. A plain value. */
class AppAddress {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    AppAddress() = default;
    /** @param host an IP address. @throws IOException when it is none */
    static AppAddress tcp(const std::string &host, std::uint16_t port);
    /** @throws IOException when the path is too long for a socket */
    static AppAddress unixSocket(const std::string &path);
    /** A port of that address which nobody uses at this moment. @throws IOException, SystemException */
    static std::uint16_t unusedPort(const std::string &host);

    /** The users whose processes listen there, also where at all addresses of this machine; of a Unix socket none is known. Of an IPv6 socket at
     *  all addresses the kernel does not tell whether it takes IPv4 too: it counts. */
    std::vector<uid_t> listeners() const;

    /** A connected socket, non-blocking. No descriptor, and errno: nobody listens there, or not by the deadline. */
    FileDescriptor connect(Deadline deadline) const;
    /** For people. */
    const std::string &text() const noexcept {
        return text_;
    }

private:
    sockaddr_storage address_{};
    socklen_t size_ = 0;
    std::string text_;
};

}  // namespace Passenger::Bridge
