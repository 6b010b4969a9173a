#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

namespace Passenger {

/** Where to listen, as the command line says it. A plain value. */
struct ListenAddress {
    /** A host name or an address; IPv6 without brackets. Empty: a Unix socket. */
    std::string host{};
    std::string port{};
    /** Of a Unix socket. */
    std::string path{};

    /** "3000" (on 127.0.0.1), "HOST:3000", "*:3000" (all of IPv4), "[::1]:3000". @throws std::invalid_argument that names the value and the remedy */
    static ListenAddress tcp(const std::string &text);
    /** @throws std::invalid_argument when the path is too long for a socket */
    static ListenAddress unixSocket(const std::string &path);
};

/** "http://127.0.0.1:3000", "http://[::1]:3000", "unix:/run/app.sock": what the descriptor is bound to. @throws SystemException */
std::string describeSocket(int descriptor);

}  // namespace Passenger
