#include "agent/ControlService.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "base/Poll.h"
#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

/** The orders of a connection before others have their turn. An asker that waits for each answer
 *  loses none. */
constexpr unsigned MAX_ORDERS_A_TURN = 4;
/** The least time between two answers to a user other than root. */
constexpr std::chrono::milliseconds ANSWER_INTERVAL{50};
/** The pause after a connection that cannot be accepted. */
constexpr std::chrono::milliseconds PAUSE{100};

/** Whether the peer has read all that was sent (unix(7): SIOCOUTQ). Descriptors in answers that
 *  nobody reads count against the limit of this process's user. */
bool hasReadAll(const FileDescriptor &socket) {
    int unread = 0;
    return ::ioctl(socket.get(), SIOCOUTQ, &unread) == 0 && unread == 0;
}

}  // namespace

ControlService::ControlService(Parts parts) : parts_(std::move(parts)), wake_(makeEventDescriptor()) {
    thread_.start("commands", [this](const FileDescriptor &ending) { run(ending); });
}

ControlService::~ControlService() {
    thread_.end();
}

void ControlService::listen(FileDescriptor socket) {
    {
        const LockGuard guard(mutex_);
        nextListening_ = std::move(socket);
    }
    setEvent(wake_);
}

FileDescriptor ControlService::connect() {
    DescriptorPair pair = makeStreamPair();
    {
        const LockGuard guard(mutex_);
        if (static_cast<std::size_t>(ofHttpd_.use_count()) > MOST_OF_HTTPD) {
            throw IOException("too many questions about the agent's state wait");
        }
        fresh_.push_back({std::move(pair.first), ofHttpd_});
    }
    setEvent(wake_);
    return std::move(pair.second);
}

void ControlService::run(const FileDescriptor &ending) {
    for (;;) {
        const bool full = closesWait();
        std::vector<pollfd> entries{
            {ending.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}, {full ? -1 : listening_.get(), POLLIN, 0}};
        const auto now = std::chrono::steady_clock::now();
        auto next = full ? std::min(nextTick_, now + PAUSE) : nextTick_;
        std::erase_if(nextOrderAt_, [now](const auto &rest) { return rest.second <= now; });
        for (const Connection &connection : connections_) {
            const auto rest = restOf(connection.asker);
            next = std::min(next, rest.value_or(next));
            entries.push_back({rest ? -1 : connection.socket.descriptor().get(), POLLIN, 0});
        }
        if (::poll(entries.data(), entries.size(), millisecondsUntil(next)) < 0) {
            continue;
        }
        if (entries[0].revents != 0) {
            return;
        }
        tickIfDue();
        auto following = connections_.begin();
        for (auto entry = entries.begin() + 3; entry != entries.end(); ++entry) {
            const auto connection = following++;
            // The turn of another connection may have begun a rest.
            if (entry->revents == 0 || restOf(connection->asker)) {
                continue;
            }
            if (!serve(*connection)) {
                connections_.erase(connection);
            } else if (restOf(connection->asker)) {
                // After the rest this user's other connections have their turn first.
                connections_.splice(connections_.end(), connections_, connection);
            }
        }
        if (entries[1].revents != 0) {
            takeNews();
        } else if (entries[2].revents != 0) {
            accept();
            if (failing_) {
                ::poll(entries.data(), 1, static_cast<int>(PAUSE.count()));
            }
        }
    }
}

void ControlService::tickIfDue() noexcept {
    const auto now = std::chrono::steady_clock::now();
    if (now < nextTick_) {
        return;
    }
    nextTick_ = now + parts_.interval;
    try {
        parts_.tick();
    } catch (const std::exception &error) {
        Log::error("event=command.failed error=\"{}\"", error.what());
    }
}

/** Whether descriptors of strangers cannot be closed. Nobody is accepted then: each connection may
 *  bring more of them. Since Linux 6.16 none comes. */
bool ControlService::closesWait() noexcept {
    const DescriptorCloser *closer = DescriptorCloser::inUse();
    return closer != nullptr && closer->heldUp(strangers_) > 0;
}

void ControlService::accept() {
    FileDescriptor socket = FileDescriptor::foreign(
        ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK), strangers_);
    if (!socket) {
        // For example, no descriptor is free: the connection stays in the backlog.
        const bool transient = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
        if (!transient && !std::exchange(failing_, true)) {
            Log::error("event=command.failed error=\"{}\"", SystemException("accept4", errno).what());
        }
        return;
    }
    failing_ = false;
    if (const auto peer = peerOf(socket)) {
        add({Asker{peer->uid, false}, FrameSocket(std::move(socket))});
    }
}

std::optional<std::chrono::steady_clock::time_point> ControlService::restOf(const Asker &asker) const {
    const auto rest = nextOrderAt_.find(asker.uid);
    return rest == nextOrderAt_.end() ? std::nullopt : std::optional(rest->second);
}

/** Takes what connect() and listen() have left. */
void ControlService::takeNews() {
    clearEvent(wake_);
    std::vector<Fresh> fresh;
    {
        const LockGuard guard(mutex_);
        fresh = std::exchange(fresh_, {});
        if (nextListening_) {
            listening_ = std::move(*nextListening_);
            nextListening_.reset();
        }
    }
    for (Fresh &one : fresh) {
        add({Asker{0, true}, FrameSocket(std::move(one.socket)), std::move(one.place)});
    }
}

void ControlService::add(Connection connection) {
    connection.socket.refuseDescriptors();
    const Asker asker = connection.asker;
    const auto isSame = [&asker](const Connection &other) {
        return other.asker.isHttpd == asker.isHttpd && other.asker.uid == asker.uid;
    };
    const auto ofUser = [](const Connection &other) { return other.asker.uid != 0; };
    const auto same = std::count_if(connections_.begin(), connections_.end(), isSame);
    if (!asker.isHttpd && asker.uid != 0 && static_cast<std::size_t>(same) >= MOST_OF_A_USER) {
        dropOldest(isSame);
    } else if (connections_.size() >= MOST_CONNECTIONS) {
        // A user's connection ends before one of root or of httpd does.
        dropOldest(ofUser);
        if (connections_.size() >= MOST_CONNECTIONS) {
            connections_.pop_front();
        }
    }
    connections_.push_back(std::move(connection));
}

void ControlService::dropOldest(const std::function<bool(const Connection &)> &which) {
    const auto oldest = std::find_if(connections_.begin(), connections_.end(), which);
    if (oldest != connections_.end()) {
        connections_.erase(oldest);
    }
}

/** Answers what has come. False: the connection is over. */
bool ControlService::serve(Connection &connection) {
    try {
        for (unsigned count = 0; count < MAX_ORDERS_A_TURN; count++) {
            const auto order = connection.socket.tryReceive();
            if (!order) {
                return true;
            }
            if (!hasReadAll(connection.socket.descriptor())) {
                return false;
            }
            Frame answer;
            try {
                answer = parts_.answer(connection.asker, *order);
            } catch (const std::exception &error) {
                answer = Frame(FrameType::ORDER_REFUSED, {error.what()});
            }
            connection.socket.send(answer, FrameSocket::in(std::chrono::milliseconds(0)));
            if (connection.asker.uid != 0) {
                nextOrderAt_[connection.asker.uid] = std::chrono::steady_clock::now() + ANSWER_INTERVAL;
                return true;
            }
        }
        return true;
    } catch (const std::exception &) {
        // The asker is gone, broke the protocol, or takes no answers.
        return false;
    }
}

}  // namespace Passenger
