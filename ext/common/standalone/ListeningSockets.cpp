#include "standalone/ListeningSockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Lists.h"
#include "base/Split.h"
#include "base/WholeNumber.h"
#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

constexpr int FIRST_OF_SYSTEMD = 3;
constexpr std::string_view UNIX_PREFIX = "unix:";

/**
 * Answers are sent at once; accepted connections inherit that. And the kernel reports a connection
 * only with its first bytes (tcp(7)). Else each connection would wake a worker once more. A Unix
 * socket has neither option.
 */
void forRequests(const FileDescriptor &socket) {
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on);
}

/** @throws IOException with the address, the reason and the remedy, if there is one */
[[noreturn]] void throwListenFailed(const SystemException &error) {
    const char *remedy = "";
    if (error.error() == EADDRINUSE) {
        remedy = "; another server listens there: end it, or choose another address with --listen";
    } else if (error.error() == EACCES) {
        remedy = "; this user has no permission: choose a port from 1024 on, or a folder that the user may write to";
    }
    throw IOException(fmt::format("{}{}", error.what(), remedy));
}

/** The path of a Unix socket; empty: it is another one. */
std::string pathOf(const FileDescriptor &socket) {
    const auto name = describeSocket(socket.get());
    return name.starts_with(UNIX_PREFIX) ? name.substr(UNIX_PREFIX.size()) : std::string();
}

/** Reads and removes the variable, so that workers do not get it. */
std::string takeVariable(const char *name) {
    const char *const value = std::getenv(name);
    std::string text = value == nullptr ? "" : value;
    ::unsetenv(name);
    return text;
}

}  // namespace

ListeningSockets::~ListeningSockets() {
    for (const auto &file : files_) {
        file.remove();
    }
}

void ListeningSockets::start() {
    queue_ = makeSeqPacketPair();
    const bool succeeds = takeOver();
    takeFromSystemd();
    if (succeeds) {
        return;
    }
    for (const auto &address : settings_.addresses) {
        listen(address);
    }
    if (sockets_.empty()) {
        listen(ListenAddress::tcp("127.0.0.1:3000"));
    }
}

void ListeningSockets::shutQueue() noexcept {
    // In both directions, so that workers notice it at their giving end.
    ::shutdown(queue_.second.get(), SHUT_RDWR);
}

void ListeningSockets::resumeAccept() {
    throw std::logic_error("the workers of passenger-prefork are another program");
}

std::vector<int> ListeningSockets::descriptors() const {
    return listOf(sockets_, &FileDescriptor::get);
}

std::string ListeningSockets::handOver() const {
    std::string text;
    for (const auto &socket : sockets_) {
        text += fmt::format("{}{}", text.empty() ? "" : ",", socket.get());
        const auto path = pathOf(socket);
        const auto file =
            std::find_if(files_.begin(), files_.end(), [&path](const SocketFile &made) { return made.path == path; });
        if (file != files_.end()) {
            text += fmt::format("={}:{}", file->device, file->inode);
        }
    }
    return text;
}

bool ListeningSockets::takeOver() {
    const auto sockets = takeVariable(HANDED_OVER);
    for (const std::string &text : split(sockets, ',')) {
        std::istringstream fields(text);
        int number = -1;
        fields >> number;
        adopt(number, HANDED_OVER);
        // The predecessor made these files. Other files are systemd's.
        SocketFile file{pathOf(sockets_.back()), 0, 0};
        char separator = 0;
        if (fields >> separator >> file.device >> separator >> file.inode) {
            handedOver_.push_back(std::move(file));
        }
    }
    return !sockets.empty();
}

void ListeningSockets::ownHandedOver() {
    std::move(handedOver_.begin(), handedOver_.end(), std::back_inserter(files_));
    handedOver_.clear();
}

/** The protocol of sd_listen_fds(3). */
void ListeningSockets::takeFromSystemd() {
    const auto owner = takeVariable("LISTEN_PID");
    const auto count = takeVariable("LISTEN_FDS");
    ::unsetenv("LISTEN_FDNAMES");
    if (owner != std::to_string(::getpid())) {
        if (!owner.empty() && !count.empty()) {
            Log::warn(
                "event=prefork.sockets_left listen_pid={} pid={} reason=\"LISTEN_FDS is for another process\" "
                "remedy=\"exec passenger-prefork, so that it has the pid that systemd gave the sockets to\"",
                owner, ::getpid());
        }
        return;
    }
    for (int number = 0; number < wholeNumber<int>(count).value_or(0); ++number) {
        adopt(FIRST_OF_SYSTEMD + number, "LISTEN_FDS");
    }
}

void ListeningSockets::adopt(int descriptor, const char *giver) {
    int listens = 0;
    socklen_t size = sizeof listens;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
        throw IOException(
            fmt::format("{} names descriptor {}, which is not a listening socket; unset it, or open the socket", giver,
                        descriptor));
    }
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    sockets_.emplace_back(descriptor);
    forRequests(sockets_.back());
}

void ListeningSockets::listen(const ListenAddress &address) {
    try {
        if (!address.path.empty()) {
            sockets_.push_back(listenOnUnix(address.path, settings_.mode, settings_.backlog));
            files_.push_back(SocketFile::at(address.path));
            return;
        }
        sockets_.push_back(
            listenOnTcp(address.host, static_cast<std::uint16_t>(std::stoul(address.port)), settings_.backlog));
        forRequests(sockets_.back());
    } catch (const SystemException &error) {
        throwListenFailed(error);
    }
}

}  // namespace Passenger
