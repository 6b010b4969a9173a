#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/BatchScheduling.h"
#include "base/Clock.h"
#include "base/Mutex.h"
#include "exchange/ApplicationPool.h"
#include "exchange/GroupName.h"
#include "io/Frame.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightTable.h"

namespace Passenger {

class AppLink;

/**
 * A process's side of a shared pool: the in-flight table, the connections to the agent, and the
 * AppLink of each application. All pools that ApplicationPoolServer::connect() makes in a process
 * share one object.
 *
 * Made after the fork that made the process, and not used in further forks. Thread-safe. A
 * connection is used only for a question to the agent: a request to a running application needs
 * none. If the pool process was replaced, everything that it gave is dropped and asked for again.
 */
class PoolClient : public std::enable_shared_from_this<PoolClient> {
public:
    /** @param connectSocket and `absenceView` (AgentHandle) belong to the caller, who may close
     *  them: connected pools stay usable. @throws SystemException */
    explicit PoolClient(int connectSocket, int absenceView = -1);
    ~PoolClient();
    PoolClient(const PoolClient &) = delete;
    PoolClient &operator=(const PoolClient &) = delete;

    /** Makes sure that the agent answers. @throws IOException, SystemException */
    ApplicationPoolPtr newPool();

    /** Asks the agent. Questions share few connections, since each is answered at once. If a
     *  connection has ended, it is replaced, and the question repeated, for up to RECONNECT_TIME.
     *  @throws TimeoutException, DescriptorShortageException (this process has none left),
     *      IOException but no EndOfFileException, SystemException */
    Frame ask(const Frame &question, const std::vector<int> &descriptors = {}) EXCLUDES(mutex_);
    /** Asks a question whose answer may take long (see ask()). Other questions do not wait for it,
     *  and it waits for each step up to the limit at most. */
    Frame askApart(const Frame &question, std::chrono::milliseconds limit) EXCLUDES(mutex_);
    /** Sends the agent a frame without an answer. Waits for a free connection at most, and only a
     *  moment. False: the frame was not sent. */
    bool tell(const Frame &frame) noexcept EXCLUDES(mutex_);

    /** A connection on which the agent tells its status (control/ControlClient.h).
     *  @param limit for the connection, and for the answer; none: as ask()
     *  @throws as ask() */
    FileDescriptor connectControl(std::optional<std::chrono::milliseconds> limit) EXCLUDES(mutex_);

    /** The AppLink of this application; made if there is none. */
    std::shared_ptr<AppLink> app(const Options &options) EXCLUDES(mutex_);

    InFlightTable &inFlightTable() noexcept { return inFlightTable_; }
    std::uint32_t childSlot() const noexcept { return childSlot_.load(std::memory_order_acquire); }
    const GenerationTableView &generations() const noexcept { return *generations_.load(std::memory_order_acquire); }
    void wakeAgent() noexcept;
    const BatchScheduling &scheduling() const noexcept { return scheduling_; }
    /** The socket that wakes the agent; see QueueHost::agentLife(). */
    int agentLife() const noexcept { return wakeFd_.load(std::memory_order_acquire); }

    void trim() EXCLUDES(mutex_);
    /** Calls QueueCache::closeIdle() for all applications. */
    void closeIdle() EXCLUDES(mutex_);
    /** See ApplicationPoolServer::awaitShortage(). */
    bool awaitShortage(std::chrono::nanoseconds time);
    /** See ApplicationPoolServer::ending(). */
    void ending(bool gracefully) EXCLUDES(mutex_);
    std::optional<MonotonicTime> endOfWaiting() const noexcept;

private:
    using Apps = std::vector<std::shared_ptr<AppLink>>;

    /** The right to use a connection, for a scope. */
    class Turn;

    Apps apps() EXCLUDES(mutex_);
    Frame converse(const Frame &question, const std::vector<int> &descriptors, std::chrono::milliseconds connectTime,
                   std::chrono::milliseconds answerTime) EXCLUDES(mutex_);
    FrameSocket takeConnection(std::string &agentId) EXCLUDES(mutex_);
    void giveBack(FrameSocket connection, const std::string &agentId) EXCLUDES(mutex_);
    FrameSocket connect(FrameSocket::Deadline deadline, std::string &agentId) EXCLUDES(mutex_);
    void welcome(Frame answer) EXCLUDES(mutex_);

    const BatchScheduling scheduling_;
    const FileDescriptor connectSocket_;
    const FileDescriptor absenceView_;
    InFlightTable inFlightTable_;
    std::atomic<std::uint32_t> childSlot_{0};
    std::atomic<const GenerationTableView *> generations_{nullptr};

    Mutex mutex_{Locks::POOL_CLIENT};
    std::string agentId_ GUARDED_BY(mutex_);
    std::vector<FrameSocket> idle_ GUARDED_BY(mutex_);
    /** The number of Turns, and the signal that one has ended. */
    std::size_t turns_ GUARDED_BY(mutex_) = 0;
    std::condition_variable turnEnded_;
    std::unordered_map<std::string, std::shared_ptr<AppLink>, GroupNameHash, GroupNameEqual> apps_ GUARDED_BY(mutex_);
    bool cutOff_ GUARDED_BY(mutex_) = false;
    /** Nanoseconds of the monotonic clock; 0: none. */
    std::atomic<std::uint64_t> endOfWaiting_{0};
    /** The tables of all agents so far. Readers take no lock, so no table is ever unmapped. Agents
     *  are few. */
    std::vector<std::unique_ptr<GenerationTableView>> tables_ GUARDED_BY(mutex_);
    std::atomic<int> wakeFd_{-1};
    std::vector<FileDescriptor> wakeFds_ GUARDED_BY(mutex_);
    /** The table that awaitShortage() watches, and the shortages that it has seen there. One thread
     *  uses both. */
    const GenerationTableView *watched_ = nullptr;
    std::uint32_t shortages_ = 0;
};

}  // namespace Passenger
