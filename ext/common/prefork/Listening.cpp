#include "prefork/Listening.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr int KIND = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

void setOn(const FileDescriptor &socket, int level, int option, const std::string &what) {
    const int on = 1;
    if (::setsockopt(socket.get(), level, option, &on, sizeof on) != 0) {
        throw SystemException(what, errno);
    }
}

/** @return 0 if a process accepts connections at the address; ECONNREFUSED if none does; another
 *  errno if that is unknown @throws SystemException: no socket can be made */
int connectTo(const std::string &path, const sockaddr_un &address) {
    const FileDescriptor socket(::socket(AF_UNIX, KIND, 0));
    if (!socket) {
        throw SystemException("Looking whether a process listens at " + path, errno);
    }
    return ::connect(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0 ? 0 : errno;
}

/**
 * Locks a folder while a path is checked and taken. If two servers start at the same time, the
 * second one finds that the first one listens. A folder that cannot be locked is used without.
 */
class FolderLock {
public:
    explicit FolderLock(const std::string &path) {
        const auto folder = std::filesystem::absolute(path).parent_path();
        folder_ = FileDescriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const auto deadline = std::chrono::steady_clock::now() + PATIENCE;
        while (folder_ && ::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK &&
               std::chrono::steady_clock::now() < deadline) {
            ::poll(nullptr, 0, 10);
        }
    }

private:
    /** Another program may hold the lock for ever. */
    static constexpr std::chrono::seconds PATIENCE{5};

    FileDescriptor folder_;
};

/** Removes the file of a socket at which no process listens. */
void removeStale(const std::string &path, const sockaddr_un &address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return;
    }
    if (!S_ISSOCK(status.st_mode)) {
        throw IOException("Cannot listen at " + path +
                          ": there is a file that is not a socket; remove it or choose another path");
    }
    const int error = connectTo(path, address);
    if (error == EACCES) {
        throw IOException("Cannot listen at " + path +
                          ": a socket is there to which this user may not connect, most often of another user; remove "
                          "it or choose another path");
    }
    if (error != ECONNREFUSED) {
        throw IOException("Cannot listen at " + path +
                          ": another process listens there; end it or choose another path");
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        throw SystemException("unlink(\"" + path + "\")", errno);
    }
}

}  // namespace

FileDescriptor listenOnTcp(const std::string &host, std::uint16_t port, int backlog) {
    const std::string what =
        "Listening on " + (host.find(':') == std::string::npos ? host : '[' + host + ']') + ':' + std::to_string(port);
    addrinfo hints{};
    hints.ai_family = host.empty() ? AF_INET : AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo *found = nullptr;
    const int result =
        ::getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (result != 0) {
        throw IOException(what + ": " + ::gai_strerror(result));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
    FileDescriptor socket(::socket(found->ai_family, KIND, 0));
    if (!socket) {
        throw SystemException(what, errno);
    }
    setOn(socket, SOL_SOCKET, SO_REUSEADDR, what);
    if (found->ai_family == AF_INET6) {
        setOn(socket, IPPROTO_IPV6, IPV6_V6ONLY, what);
    }
    if (::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket.get(), backlog) != 0) {
        throw SystemException(what, errno);
    }
    return socket;
}

std::uint16_t portOf(const FileDescriptor &socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    throwUnless(::getsockname(socket.get(), reinterpret_cast<sockaddr *>(&address), &size) == 0, "getsockname");
    // The port is at the same place in sockaddr_in and sockaddr_in6.
    sockaddr_in internet{};
    std::memcpy(&internet, &address, sizeof internet);
    return ntohs(internet.sin_port);
}

FileDescriptor listenOnUnix(const std::string &path, mode_t mode, int backlog) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        throw IOException("Cannot listen at \"" + path + "\": a socket's path has 1 to " +
                          std::to_string(sizeof address.sun_path - 1) + " bytes");
    }
    path.copy(address.sun_path, path.size());
    const std::string what = "Listening at " + path;
    FileDescriptor socket(::socket(AF_UNIX, KIND, 0));
    if (!socket) {
        throw SystemException(what, errno);
    }
    const FolderLock lock(path);
    removeStale(path, address);
    // bind() gives the file these permissions, so the file never permits more. chmod() then
    // restores what the umask removed.
    if (::fchmod(socket.get(), mode) != 0 ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 ||
        ::chmod(path.c_str(), mode) != 0 || ::listen(socket.get(), backlog) != 0) {
        throw SystemException(what, errno);
    }
    return socket;
}

SocketFile SocketFile::at(const std::string &path) {
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0) {
        throw SystemException("lstat(\"" + path + "\")", errno);
    }
    return {path, file.st_dev, file.st_ino};
}

void SocketFile::remove() const noexcept {
    struct stat file {};
    if (::lstat(path.c_str(), &file) == 0 && file.st_dev == device && file.st_ino == inode) {
        ::unlink(path.c_str());
    }
}

}  // namespace Passenger
