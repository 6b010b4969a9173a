#include "standalone/ListenAddress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/WholeNumber.h"

namespace Passenger {

namespace {

bool isPort(const std::string &text) {
    return wholeNumber<std::uint16_t>(text).has_value();
}

}  // namespace

ListenAddress ListenAddress::tcp(const std::string &text) {
    const auto colon = text.rfind(':');
    ListenAddress address;
    address.port = colon == std::string::npos ? text : text.substr(colon + 1);
    address.host = colon == std::string::npos ? "127.0.0.1" : text.substr(0, colon);
    if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
        address.host = address.host.substr(1, address.host.size() - 2);
    } else if (address.host.find(':') != std::string::npos) {
        throw std::invalid_argument(
            fmt::format("\"{}\" is not an address to listen on: write IPv6 in brackets, as [::1]:3000", text));
    } else if (address.host == "*") {
        address.host = "0.0.0.0";
    } else if (address.host == "localhost") {
        // Without an address, a system with IPv6 would listen on IPv6 only.
        address.host = "127.0.0.1";
    }
    if (address.host.empty() || address.host.find_first_of("[]") != std::string::npos || !isPort(address.port)) {
        throw std::invalid_argument(
            fmt::format("\"{}\" is not an address to listen on: write ADDRESS:PORT, as 127.0.0.1:3000", text));
    }
    return address;
}

ListenAddress ListenAddress::unixSocket(const std::string &path) {
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
        throw std::invalid_argument(
            fmt::format("\"{}\" is not a path for a socket: it has {} bytes, and 1 to {} are allowed", path,
                        path.size(), sizeof(sockaddr_un::sun_path) - 1));
    }
    ListenAddress address;
    address.path = path;
    return address;
}

std::string describeSocket(int descriptor) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr *>(&storage), &size) != 0) {
        throw SystemException(fmt::format("getsockname(descriptor {})", descriptor), errno);
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (storage.ss_family == AF_INET) {
        const auto *const v4 = reinterpret_cast<const sockaddr_in *>(&storage);
        ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
        return fmt::format("http://{}:{}", text.data(), ntohs(v4->sin_port));
    }
    if (storage.ss_family == AF_INET6) {
        const auto *const v6 = reinterpret_cast<const sockaddr_in6 *>(&storage);
        ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
        return fmt::format("http://[{}]:{}", text.data(), ntohs(v6->sin6_port));
    }
    if (storage.ss_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path)) {
        return fmt::format("unix:{}", reinterpret_cast<const sockaddr_un *>(&storage)->sun_path);
    }
    return fmt::format("descriptor {}", descriptor);
}

}  // namespace Passenger
