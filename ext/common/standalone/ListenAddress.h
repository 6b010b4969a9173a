#pragma once

#include <string>

namespace Passenger {

/** An address to listen at, as the command line names it. A plain value. */
struct ListenAddress {
    /** A host name or an address; IPv6 without brackets. Empty: a Unix socket. */
    std::string host{};
    std::string port{};
    /** The path of a Unix socket. */
    std::string path{};

    /**
     * Parses "3000" (on 127.0.0.1), "HOST:3000", "*:3000" (all of IPv4) or "[::1]:3000".
     * @throws std::invalid_argument with the value and the remedy
     */
    static ListenAddress tcp(const std::string &text);
    /** @throws std::invalid_argument when the path is too long for a socket */
    static ListenAddress unixSocket(const std::string &path);
};

/**
 * The address that the descriptor is bound to: "http://127.0.0.1:3000", "http://[::1]:3000" or
 * "unix:/run/app.sock". @throws SystemException
 */
std::string describeSocket(int descriptor);

}  // namespace Passenger
