#include "log/LogSocket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace Passenger {

namespace {

/** @return 0, or errno */
int connectTo(const std::string &path, FileDescriptor &socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return ENAMETOOLONG;
    }
    std::memcpy(address.sun_path, path.c_str(), path.size());
    socket.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const bool done =
        socket && ::connect(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0;
    return done ? 0 : errno;
}

}  // namespace

int LogSocket::send(std::string_view message) {
    int error = 0;
    // The second attempt is for a daemon that has started anew.
    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto socket = connected(error);
        if (!socket) {
            return error;
        }
        if (::send(socket->get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return 0;
        }
        error = errno;
        if (error == EAGAIN || error == EMSGSIZE) {
            return error;
        }
        forget(socket);
    }
    return error;
}

void LogSocket::waitForRoom(std::chrono::milliseconds most) {
    int error = 0;
    const auto socket = connected(error);
    pollfd entry{socket ? socket->get() : -1, POLLOUT, 0};
    ::poll(&entry, 1, static_cast<int>(most.count()));
}

std::shared_ptr<FileDescriptor> LogSocket::connected(int &error) {
    const LockGuard guard(mutex_);
    if (!socket_) {
        auto socket = std::make_shared<FileDescriptor>();
        error = connectTo(path_, *socket);
        if (error != 0) {
            return nullptr;
        }
        socket_ = std::move(socket);
    }
    return socket_;
}

void LogSocket::forget(const std::shared_ptr<FileDescriptor> &socket) {
    const LockGuard guard(mutex_);
    if (socket_ == socket) {
        socket_.reset();
    }
}

}  // namespace Passenger
