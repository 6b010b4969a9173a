#include "bridge/AppAddress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "bridge/PortListener.h"
#include "bridge/SocketDiag.h"

namespace Passenger::Bridge {

namespace {

/**
 * On a port without a listener the kernel can connect a socket to itself: it may have given the
 * socket that port.
 */
bool isConnectedToItself(int fd) {
    sockaddr_storage here{};
    sockaddr_storage there{};
    socklen_t hereSize = sizeof(here);
    socklen_t thereSize = sizeof(there);
    return getsockname(fd, reinterpret_cast<sockaddr *>(&here), &hereSize) == 0 &&
           getpeername(fd, reinterpret_cast<sockaddr *>(&there), &thereSize) == 0 && here.ss_family != AF_UNIX &&
           hereSize == thereSize && std::memcmp(&here, &there, hereSize) == 0;
}

}  // namespace

AppAddress AppAddress::tcp(const std::string &host, std::uint16_t port) {
    AppAddress result;
    auto &v4 = reinterpret_cast<sockaddr_in &>(result.address_);
    auto &v6 = reinterpret_cast<sockaddr_in6 &>(result.address_);
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        result.size_ = sizeof(v4);
    } else if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        result.size_ = sizeof(v6);
    } else {
        throw IOException("PassengerDirectInstanceRequestAddress \"" + host + "\" is not an IP address");
    }
    result.text_ = host + " port " + std::to_string(port);
    return result;
}

AppAddress AppAddress::unixSocket(const std::string &path) {
    AppAddress result;
    auto &address = reinterpret_cast<sockaddr_un &>(result.address_);
    if (path.size() >= sizeof(address.sun_path)) {
        throw IOException("the path \"" + path + "\" is too long for a Unix socket");
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    result.size_ = sizeof(address);
    result.text_ = path;
    return result;
}

std::uint16_t AppAddress::unusedPort(const std::string &host) {
    AppAddress any = tcp(host, 0).everywhere();
    const FileDescriptor socket(::socket(any.address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    socklen_t size = sizeof(any.address_);
    auto *address = reinterpret_cast<sockaddr *>(&any.address_);
    if (!socket || ::bind(socket.get(), address, any.size_) != 0 || getsockname(socket.get(), address, &size) != 0) {
        throw SystemException("a port of PassengerDirectInstanceRequestAddress \"" + host + "\"", errno);
    }
    return any.port();
}

/** The address of all interfaces meets the sockets at each of them. */
bool AppAddress::isTaken() const {
    const AppAddress all = everywhere();
    const FileDescriptor socket(::socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return socket && ::bind(socket.get(), reinterpret_cast<const sockaddr *>(&all.address_), all.size_) != 0 &&
           errno == EADDRINUSE;
}

AppAddress AppAddress::everywhere() const {
    return tcp(address_.ss_family == AF_INET ? "0.0.0.0" : "::", port());
}

std::uint16_t AppAddress::port() const noexcept {
    // sockaddr_in and sockaddr_in6 have the port at the same offset.
    return address_.ss_family == AF_UNIX ? 0 : ntohs(reinterpret_cast<const sockaddr_in &>(address_).sin_port);
}

std::optional<uid_t> AppAddress::listener() const {
    return port() == 0 ? std::nullopt : userOfListener(address_);
}

FileDescriptor AppAddress::startConnecting() const {
    FileDescriptor socket(::socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    if (socket && ::connect(socket.get(), reinterpret_cast<const sockaddr *>(&address_), size_) != 0 &&
        errno != EINPROGRESS) {
        socket.reset();
    } else if (socket) {
        setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return socket;
}

int AppAddress::outcomeOf(const FileDescriptor &connecting) noexcept {
    pollfd entry{connecting.get(), POLLOUT, 0};
    if (poll(&entry, 1, 0) <= 0) {
        return EINPROGRESS;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(connecting.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        return errno;
    }
    return error == 0 && isConnectedToItself(connecting.get()) ? ECONNREFUSED : error;
}

FileDescriptor AppAddress::connect(Deadline deadline) const {
    FileDescriptor socket = startConnecting();
    while (!socket && errno == EAGAIN && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(FULL_BACKLOG_PAUSE);
        socket = startConnecting();
    }
    if (socket) {
        const int error = pollUntil(socket.get(), POLLOUT, deadline) ? outcomeOf(socket) : ETIMEDOUT;
        if (error != 0) {
            socket.reset();
            errno = error;
        }
    }
    return socket;
}

/** Another user's process may have accepted the connection, and have given the port back since. A
 *  process that has gone accepts none later: the kernel resets the connections in its queue. */
int AppAddress::refusalOf(const FileDescriptor &connection) const {
    if (port() == 0) {
        return 0;
    }
    try {
        const std::optional<uid_t> user = listener();
        if (!user) {
            return ECONNREFUSED;
        }
        const std::optional<inet_diag_msg> peer = SocketDiag::tcpPeer(connection.get());
        const bool isAnothers = peer && peer->idiag_inode != 0 && peer->idiag_uid != ::geteuid();
        return isAnothers || *user != ::geteuid() ? EADDRINUSE : 0;
    } catch (const SystemException &error) {
        return error.error();
    }
}

}  // namespace Passenger::Bridge
