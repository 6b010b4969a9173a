#include "agent/InstanceRegistry.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <string_view>
#include <utility>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds ANSWER_LIMIT{2};
/** The pause after a connection that cannot be accepted. */
constexpr std::chrono::milliseconds PAUSE{100};

bool mayAsk(const FileDescriptor &connection) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == ::geteuid());
}

/** Sends as much as the peer takes within the limit. */
void send(const FileDescriptor &connection, std::string_view text) {
    const auto deadline = deadlineIn(ANSWER_LIMIT);
    while (!text.empty() && pollUntil(connection.get(), POLLOUT, deadline)) {
        const ssize_t sent = ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            return;
        }
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

}  // namespace

InstanceRegistry::InstanceRegistry(std::function<std::string()> status) : status_(std::move(status)) {}

InstanceRegistry::~InstanceRegistry() {
    leave();
}

void InstanceRegistry::use(const std::string &parent, unsigned backlog) {
    if (parent == parent_) {
        // A listening socket accepts a new backlog.
        ::listen(folder_.socket.get(), static_cast<int>(std::min<unsigned>(backlog, INT_MAX)));
        return;
    }
    leave();
    if (parent.empty()) {
        return;
    }
    folder_ = Rights::ofThisProcess().makeRegistry(parent, backlog, ::getppid(), ::getpid());
    try {
        thread_.start("commands", [this](const FileDescriptor &ending) { run(ending); });
    } catch (...) {
        leave();
        throw;
    }
    parent_ = parent;
    Log::info("event=registry.made folder=\"{}\"", folder_.path);
}

void InstanceRegistry::leave() noexcept {
    thread_.end();
    if (!folder_.path.empty()) {
        try {
            Rights::ofThisProcess().removeRegistry(folder_.path);
        } catch (const std::exception &error) {
            // The next agent removes the folder.
            Log::warn("event=registry.not_removed folder=\"{}\" error=\"{}\"", folder_.path, error.what());
        }
    }
    folder_ = RegistryFolder();
    parent_.clear();
}

void InstanceRegistry::run(const FileDescriptor &ending) {
    bool failing = false;
    for (;;) {
        std::array<pollfd, 2> entries{{{ending.get(), POLLIN, 0}, {folder_.socket.get(), POLLIN, 0}}};
        if (::poll(entries.data(), entries.size(), -1) <= 0) {
            continue;
        }
        if (entries[0].revents != 0) {
            return;
        }
        const FileDescriptor connection(
            ::accept4(folder_.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!connection && errno != EAGAIN && errno != EINTR) {
            // For example, no descriptor is free: the connection stays in the backlog, and the
            // socket stays readable.
            if (!std::exchange(failing, true)) {
                Log::error("event=command.failed error=\"{}\"", SystemException("accept4", errno).what());
            }
            ::poll(entries.data(), 1, static_cast<int>(PAUSE.count()));
            continue;
        }
        failing = false;
        try {
            if (connection && mayAsk(connection)) {
                send(connection, status_());
            }
        } catch (const std::exception &error) {
            Log::error("event=command.failed error=\"{}\"", error.what());
        }
    }
}

}  // namespace Passenger
