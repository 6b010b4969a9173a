#include "server/PoolServer.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "base/DescriptorLimit.h"
#include "base/Exceptions.h"
#include "base/SystemClock.h"
#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

/** Messages to receive from one descriptor before the loop serves others. */
constexpr int MAX_AT_ONCE = 64;

/** Whether an empty result means a hang-up. Otherwise a child has sent an empty message. */
bool hungUp(const FileDescriptor &socket) {
    pollfd entry{socket.get(), 0, 0};
    return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

/**
 * Takes a message. Any process that has the other end may have sent it. Descriptors that came
 * with it are not closed in this thread: that may wait.
 * @return its size; nothing: there is none
 */
std::optional<std::size_t> takeMessage(const FileDescriptor &socket) {
    std::array<char, 16> bytes;
    try {
        return receiveWithDescriptors(socket, bytes, MSG_DONTWAIT).size;
    } catch (const std::exception &) {
        return std::nullopt;
    }
}

std::string makeAgentId() {
    std::random_device random;
    return fmt::format("{}-{:08x}{:08x}", getpid(), random(), random());
}

}  // namespace

PoolServer::PoolServer(EventLoop &loop, Pool &pool, FileDescriptor serverSocket,
                       std::function<std::optional<std::string>(Options &)> complete,
                       std::function<FileDescriptor()> connectControl, LimitCountsPtr counts, bool obeysUsers)
    : loop_(loop),
      pool_(pool),
      serverSocket_(std::move(serverSocket)),
      wakePair_(makeSeqPacketPair()),
      children_(loop, pool),
      reserve_(descriptorLimit(), [&pool] { pool.channels().askForIdleChannels(); }),
      counts_(std::move(counts)),
      context_{loop,
               pool,
               children_,
               makeAgentId(),
               wakePair_.second,
               std::move(complete),
               std::move(connectControl),
               reserve_,
               *counts_,
               obeysUsers} {
    denyDescriptors(serverSocket_);
    denyDescriptors(wakePair_.first);
    // On the loop: the callbacks use the watchers, and so does their destruction.
    loop_.runSync([this] {
        loop_.assertOnLoop();
        wakeWatcher_ =
            std::make_unique<DescriptorWatcher>(loop_, wakePair_.first.get(), DescriptorWatcher::READABLE, [this](int) {
                loop_.assertOnLoop();
                woken();
            });
        acceptWatcher_ =
            std::make_unique<DescriptorWatcher>(loop_, serverSocket_.get(), DescriptorWatcher::READABLE, [this](int) {
                loop_.assertOnLoop();
                accept();
            });
    });
}

PoolServer::~PoolServer() {
    loop_.runSync([this] {
        loop_.assertOnLoop();
        acceptWatcher_.reset();
        wakeWatcher_.reset();
        connections_.clear();
    });
}

void PoolServer::configurationChanged() {
    loop_.runSync([this] {
        loop_.assertOnLoop();
        children_.configurationChanged();
        context_.attachRefusals.forget();
    });
}

/**
 * Each byte requests a connection. Any child may have sent the byte, and any child may receive the
 * socket.
 */
void PoolServer::accept() {
    for (int count = 0; count < MAX_AT_ONCE; count++) {
        const std::optional<std::size_t> size = takeMessage(serverSocket_);
        if (!size) {
            return;
        }
        if (*size == 0 && hungUp(serverSocket_)) {
            // No process has the other end any more.
            acceptWatcher_->setEvents(0);
            return;
        }
        try {
            acceptOne();
        } catch (const SystemException &error) {
            if (error.error() == EMFILE) {
                refuseOne();
            } else {
                complain(error);
            }
        } catch (const std::exception &error) {
            complain(error);
        }
    }
}

void PoolServer::complain(const std::exception &error) {
    if (context_.complaints.allows(SystemClock::instance().now())) {
        Log::error("event=accept.failed error=\"{}\"", error.what());
    }
}

void PoolServer::acceptOne() {
    DescriptorPair pair = makeStreamPair();
    enablePeerCredentials(pair.first);
    const int theirs = pair.second.get();
    auto connection = std::make_unique<Connection>(context_, std::move(pair.first), [this](Connection *closed) {
        loop_.assertOnLoop();
        std::erase(unknown_, closed);
        connections_.erase(closed);
    });
    Connection *key = connection.get();
    connections_.emplace(key, std::move(connection));
    unknown_.push_back(key);
    dropUnknown();
    sendWithDescriptors(serverSocket_, std::string_view("\0", 1), std::span(&theirs, 1), MSG_DONTWAIT);
}

/** Not even the reserve has a descriptor. The child would wait in vain. */
void PoolServer::refuseOne() noexcept {
    counts_->descriptorsRefused++;
    try {
        reserve_.fallShort(SystemClock::instance().now(), "new children of httpd are refused");
        sendWithDescriptors(serverSocket_, std::string_view(&CONNECTION_REFUSED, 1), {}, MSG_DONTWAIT);
    } catch (const std::exception &) {
        // The child asks again.
    }
}

/** Closes the oldest of too many connections on which nobody has said HELLO. A child that meant to
 *  asks for another one. */
void PoolServer::dropUnknown() {
    if (unknown_.size() <= MOST_UNKNOWN) {
        return;
    }
    std::erase_if(unknown_, [](const Connection *connection) { return connection->introduced(); });
    while (unknown_.size() > MOST_UNKNOWN) {
        counts_->allChildren++;
        if (context_.complaints.allows(SystemClock::instance().now())) {
            Log::warn("event=connection.dropped error=\"{} connections have sent no HELLO\"", MOST_UNKNOWN);
        }
        connections_.erase(unknown_.front());
        unknown_.pop_front();
    }
}

void PoolServer::woken() {
    for (int count = 0; count < MAX_AT_ONCE; count++) {
        const std::optional<std::size_t> size = takeMessage(wakePair_.first);
        if (size == std::size_t{0} && hungUp(wakePair_.first)) {
            // A child has shut the socket down. Timers still start the instances that are needed.
            wakeWatcher_->setEvents(0);
        }
        if (size.value_or(0) == 0) {
            break;
        }
    }
    pool_.rescale();
}

}  // namespace Passenger
