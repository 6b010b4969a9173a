#include "client/PoolClient.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <chrono>
#include <exception>
#include <thread>

#include "base/DescriptorLimit.h"
#include "base/Exceptions.h"
#include "base/Lists.h"
#include "base/SystemClock.h"
#include "client/AgentConnector.h"
#include "client/AppLink.h"
#include "client/RemoteApplicationPool.h"
#include "exchange/QueueHost.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

/** The watchdog replaces a crashed pool process within a fraction of this time. */
constexpr std::chrono::seconds RECONNECT_TIME{10};
constexpr std::chrono::milliseconds RECONNECT_PAUSE{5};
constexpr std::chrono::seconds ANSWER_TIME{30};
/** Each is a descriptor of the agent. */
constexpr std::size_t MAX_CONNECTIONS = 2;
constexpr std::chrono::milliseconds TELL_TIME{20};
/** The time that an instance has for its requests when it is told to finish. */
constexpr std::chrono::seconds LAST_WAIT{60};

FileDescriptor duplicateDescriptor(int fd) {
    FileDescriptor copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    throwUnless(copy, "fcntl(F_DUPFD_CLOEXEC) of a descriptor of the agent");
    return copy;
}

}  // namespace

class PoolClient::Turn {
public:
    Turn(PoolClient &client, FrameSocket::Deadline deadline) : client_(client) {
        LockGuard guard(client.mutex_);
        while (client.turns_ == MAX_CONNECTIONS) {
            // A signal that comes together with the deadline wakes no other thread: the turn is
            // this one's.
            if (!guard.waitUntil(client.turnEnded_, deadline) && client.turns_ == MAX_CONNECTIONS) {
                throw TimeoutException("the agent does not answer: all connections to it wait");
            }
        }
        client.turns_++;
    }
    ~Turn() {
        {
            const LockGuard guard(client_.mutex_);
            client_.turns_--;
        }
        client_.turnEnded_.notify_one();
    }
    Turn(const Turn &) = delete;
    Turn &operator=(const Turn &) = delete;

private:
    PoolClient &client_;
};

PoolClient::PoolClient(int connectSocket, int absenceView)
    : connectSocket_(duplicateDescriptor(connectSocket)),
      absenceView_(absenceView < 0 ? FileDescriptor() : duplicateDescriptor(absenceView)) {}

PoolClient::~PoolClient() = default;

ApplicationPoolPtr PoolClient::newPool() {
    if (generations_.load(std::memory_order_acquire) == nullptr) {
        const Turn turn(*this, FrameSocket::in(ANSWER_TIME));
        std::string agentId;
        FrameSocket connection = takeConnection(agentId);
        if (!connection) {
            connection = connect(FrameSocket::in(RECONNECT_TIME), agentId);
        }
        giveBack(std::move(connection), agentId);
    }
    return std::make_shared<RemoteApplicationPool>(shared_from_this());
}

/** @return a new private socket, on which the agent has answered HELLO */
FrameSocket PoolClient::connect(FrameSocket::Deadline deadline, std::string &agentId) {
    for (;;) {
        FrameSocket connection = connectToAgent(connectSocket_, deadline, absenceView_.get());
        try {
            connection.send(Frame::of(FrameType::HELLO, LAYOUT_VERSION), {inFlightTable_.memory().descriptor().get()},
                            deadline);
            Frame answer = connection.receive(deadline);
            if (answer.type == FrameType::REFUSED) {
                if (answer.number(0) == NO_DESCRIPTOR) {
                    throw DescriptorShortageException(answer.field(2));
                }
                throw ProtocolException("the agent refused the connection: " + answer.field(2));
            }
            if (answer.type != FrameType::WELCOME || answer.number(0) != LAYOUT_VERSION) {
                throw ProtocolException(
                    "the agent speaks another version of the protocol than this module; restart httpd");
            }
            agentId = answer.field(2);
            welcome(std::move(answer));
            return connection;
        } catch (const std::exception &error) {
            // If contact is lost, the pool process of this socket has ended.
            if (!lostContact(error)) {
                throw;
            }
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            throw TimeoutException("the agent does not answer");
        }
        std::this_thread::sleep_for(RECONNECT_PAUSE);
    }
}

/** Stores the descriptors of a new agent, and drops everything of the earlier agent. */
void PoolClient::welcome(Frame answer) {
    std::vector<FrameSocket> closing;
    const GenerationTableView *before = nullptr;
    {
        const LockGuard guard(mutex_);
        if (answer.field(2) == agentId_) {
            return;
        }
        // Under the lock: another thread that connects must not ask the new agent for a queue
        // while its application still has channels of the earlier one.
        for (const auto &[name, app] : apps_) {
            app->agentReplaced();
        }
        before = generations_.load(std::memory_order_relaxed);
        tables_.push_back(std::make_unique<GenerationTableView>(answer.takeDescriptor(0)));
        wakeFds_.push_back(answer.takeDescriptor(1));
        childSlot_.store(static_cast<std::uint32_t>(answer.number(1) % MAX_CHILDREN), std::memory_order_release);
        generations_.store(tables_.back().get(), std::memory_order_release);
        wakeFd_.store(wakeFds_.back().get(), std::memory_order_release);
        agentId_ = answer.field(2);
        closing.swap(idle_);
    }
    if (before != nullptr) {
        before->endWaits();
    }
}

/** @return an idle connection, or a FrameSocket without a descriptor */
FrameSocket PoolClient::takeConnection(std::string &agentId) {
    const LockGuard guard(mutex_);
    if (idle_.empty()) {
        return FrameSocket();
    }
    FrameSocket connection = std::move(idle_.back());
    idle_.pop_back();
    agentId = agentId_;
    return connection;
}

void PoolClient::giveBack(FrameSocket connection, const std::string &agentId) {
    const LockGuard guard(mutex_);
    if (agentId == agentId_ && idle_.size() < MAX_CONNECTIONS) {
        idle_.push_back(std::move(connection));
    }
}

FileDescriptor PoolClient::connectControl(std::optional<std::chrono::milliseconds> limit) {
    const Frame question(FrameType::CONTROL);
    Frame answer = limit ? askApart(question, *limit) : ask(question);
    if (answer.type == FrameType::REFUSED) {
        throw RefusedException(static_cast<std::uint16_t>(answer.number(0)), answer.field(1), answer.field(2));
    }
    answer.expect(FrameType::CONTROL, "the agent answered CONTROL with an unexpected frame");
    return answer.takeDescriptor(0);
}

Frame PoolClient::ask(const Frame &question, const std::vector<int> &descriptors) {
    const Turn turn(*this, FrameSocket::in(ANSWER_TIME));
    try {
        return converse(question, descriptors, RECONNECT_TIME, ANSWER_TIME);
    } catch (const SystemException &error) {
        if (error.error() == EMFILE) {
            throw DescriptorShortageException(std::string(error.what()) + ": " + explainDescriptorLimit());
        }
        throw;
    }
}

Frame PoolClient::askApart(const Frame &question, std::chrono::milliseconds limit) {
    return converse(question, {}, limit, limit);
}

Frame PoolClient::converse(const Frame &question, const std::vector<int> &descriptors,
                           std::chrono::milliseconds connectTime, std::chrono::milliseconds answerTime) {
    const FrameSocket::Deadline deadline = FrameSocket::in(connectTime);
    for (;;) {
        std::string agentId;
        FrameSocket connection = takeConnection(agentId);
        if (!connection) {
            connection = connect(deadline, agentId);
        }
        try {
            connection.send(question, descriptors, FrameSocket::in(answerTime));
            Frame answer = connection.receive(FrameSocket::in(answerTime));
            giveBack(std::move(connection), agentId);
            return answer;
        } catch (const std::exception &error) {
            // If contact is lost, the pool process of this connection has ended.
            if (!lostContact(error)) {
                throw;
            }
        }
        // No EndOfFileException: an exchange would take it for the end of its reply channel.
        if (std::chrono::steady_clock::now() >= deadline) {
            throw TimeoutException("the agent ended before its answer, and the time for another question is over");
        }
    }
}

bool PoolClient::tell(const Frame &frame) noexcept {
    try {
        const Turn turn(*this, FrameSocket::in(TELL_TIME));
        for (;;) {
            std::string agentId;
            FrameSocket connection = takeConnection(agentId);
            if (!connection) {
                return false;
            }
            try {
                connection.send(frame, FrameSocket::in(std::chrono::seconds(0)));
                giveBack(std::move(connection), agentId);
                return true;
            } catch (const SystemException &error) {
                // The agent closes the connection of a question that finds it without descriptors.
                if (!lostContact(error)) {
                    throw;
                }
            }
        }
    } catch (const std::exception &) {
        // The agent has ended or hangs. A connection that has sent a part of the frame is closed.
        return false;
    }
}

std::shared_ptr<AppLink> PoolClient::app(const Options &options) {
    const LockGuard guard(mutex_);
    const auto found = apps_.find(options);
    if (found != apps_.end()) {
        return found->second;
    }
    std::shared_ptr<AppLink> fresh = apps_.emplace(options.groupName(), std::make_shared<AppLink>(*this)).first->second;
    if (cutOff_) {
        fresh->cutOff();
    }
    return fresh;
}

PoolClient::Apps PoolClient::apps() {
    const LockGuard guard(mutex_);
    return listOf(apps_, &decltype(apps_)::value_type::second);
}

void PoolClient::trim() {
    for (const std::shared_ptr<AppLink> &app : apps()) {
        app->trim();
    }
    dropEmpty();
}

void PoolClient::dropEmpty() {
    // Destroyed without the lock.
    Apps empty;
    const LockGuard guard(mutex_);
    for (auto next = apps_.begin(); next != apps_.end();) {
        const auto app = next++;
        // No exchange has it, and under the lock none gets it.
        if (app->second.use_count() == 1 && app->second->isEmpty()) {
            empty.push_back(app->second);
            apps_.erase(app);
        }
    }
}

void PoolClient::closeIdle() {
    for (const std::shared_ptr<AppLink> &app : apps()) {
        app->closeIdle();
    }
}

bool PoolClient::awaitShortage(std::chrono::nanoseconds time) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    for (;;) {
        const GenerationTableView *table = generations_.load(std::memory_order_acquire);
        const std::chrono::nanoseconds left = deadline - std::chrono::steady_clock::now();
        if (left <= std::chrono::nanoseconds(0)) {
            return false;
        }
        if (table == nullptr) {
            std::this_thread::sleep_for(left);
            continue;
        }
        if (table != watched_) {
            watched_ = table;
            // The agent may have asked between this process's first channel and the first wait.
            shortages_ = table->firstShortages();
        }
        table->awaitShortage(shortages_, left);
        if (const std::uint32_t shortages = table->shortages(); shortages != shortages_) {
            shortages_ = shortages;
            return true;
        }
    }
}

void PoolClient::ending(bool gracefully) {
    endOfWaiting_.store(toNanoseconds(SystemClock::instance().now() + LAST_WAIT), std::memory_order_relaxed);
    if (gracefully) {
        return;
    }
    {
        const LockGuard guard(mutex_);
        cutOff_ = true;
    }
    for (const std::shared_ptr<AppLink> &app : apps()) {
        app->cutOff();
    }
}

std::optional<MonotonicTime> PoolClient::endOfWaiting() const noexcept {
    const std::uint64_t end = endOfWaiting_.load(std::memory_order_relaxed);
    return end == 0 ? std::nullopt : std::optional(MonotonicTime(std::chrono::nanoseconds(end)));
}

void PoolClient::wakeAgent() noexcept {
    // If the socket is full, the agent will wake up in any case.
    static_cast<void>(::send(wakeFd_.load(std::memory_order_acquire), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
}

}  // namespace Passenger
