#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "pool/IdlePolicy.h"
#include "pool/Line.h"
#include "pool/Options.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"
#include "pool/RestartFiles.h"
#include "pool/Session.h"

namespace Passenger {

class Pool;

/** Why Pool::get() gave no session. */
struct GetFailure {
    enum class Reason { SPAWN_FAILED, SHUTTING_DOWN };
    Reason reason;
    std::string summary;
    /** SPAWN_FAILED: everything known, for people, and the id under which the log has it. */
    std::string report;
    std::string reportId;

    /** HTTP status to answer with. */
    std::uint16_t status() const noexcept {
        return reason == Reason::SPAWN_FAILED ? 500 : 503;
    }
    /** As much as is known. */
    const std::string &text() const noexcept {
        return report.empty() ? summary : report;
    }
};

/** What a sender needs to put requests into a Group's line. */
struct Attachment {
    std::uint32_t groupSlot = 0;
    Generation generation;
    FileDescriptor sending;
    FileDescriptor claims;
    FileDescriptor marks;
};

/**
 * An application: its instances, their number, its line (seed 000).
 *
 * Owned by its SuperGroup. All methods are called with the pool's lock held, on any thread; what may block happens in one background thread
 * for each Group at a time, the spawn loop. Watchers' callbacks come in through the Pool, which takes the lock.
 *
 * Always true: requests that wait have an instance that serves, or one that is being started, or the pool is full and somebody will
 * leave; otherwise they are refused.
 */
class Group {
public:
    using GetOutcome = tl::expected<SessionPtr, GetFailure>;
    using GetCallback = std::function<void(GetOutcome)>;

    /** @param slot in the generation table */
    Group(Pool &pool, PoolContext &context, const Options &options, std::uint32_t slot);
    ~Group();

    const std::string &name() const noexcept {
        return name_;
    }
    std::uint32_t slot() const noexcept {
        return slot_;
    }
    /** Whether its instances take requests from a queue. */
    bool pulls() const noexcept {
        return pulls_;
    }
    RestartFiles &restartFiles() noexcept {
        return restartFiles_;
    }

    /** Instances in memory: opens a session or waits in line for one. The callback is run after the lock is given up. */
    void get(const Options &options, GetCallback callback, AfterUnlock &after) REQUIRES(poolLock);
    /** A session with an instance in memory has ended. */
    void release(Process &process, AfterUnlock &after) REQUIRES(poolLock);
    /** Instances that pull: the current line, making it and starting an instance when there is none. @param unusable a generation that
     *  was found closed. @throws RefusedException (it was closed because no instance could be made) */
    Attachment attach(const Options &options, Generation unusable) REQUIRES(poolLock);

    /** Starts what is needed and allowed. Called whenever the need or the room may have grown. */
    void rescale() REQUIRES(poolLock);
    /** Ends instances that were not needed for the idle time. */
    void collectIdle(MonotonicTime now) REQUIRES(poolLock);
    /** The application has changed: new instances serve from now on, or when the first of them is ready. */
    void restart() REQUIRES(poolLock);
    /** Whether always_restart.txt asks for one now: something was asked of the newest instances, and none is on its way. */
    bool mayAlwaysRestart() const REQUIRES(poolLock);
    /** Ends all instances; the next request starts new ones. */
    void clear() REQUIRES(poolLock);
    /** Ends everything; waiters are refused. Spawns under way are cancelled. */
    void shutDown(AfterUnlock &after) REQUIRES(poolLock);

    /** The process has ended: tells who waits for it, and replaces it. */
    void processDied(const ProcessPtr &process) REQUIRES(poolLock);
    /** A frame from its control socket. */
    void processSent(Process &process, const Frame &frame) REQUIRES(poolLock);
    /** The channels will not be used again. */
    void channelsGone(const std::vector<ChannelId> &channels) REQUIRES(poolLock);
    /** A new channel's mark begins at zero. */
    void resetMark(ChannelId channel) REQUIRES(poolLock);
    /** A sending process is gone. */
    void senderGone(std::uint32_t childSlot) REQUIRES(poolLock);

    /** Instances that serve, and one that is being started: what counts for the pool's limit. */
    unsigned size() const REQUIRES(poolLock);
    unsigned serving() const REQUIRES(poolLock);
    /** All instances that live, draining ones too. */
    unsigned living() const REQUIRES(poolLock);
    unsigned active() const REQUIRES(poolLock);
    std::vector<pid_t> pids() const REQUIRES(poolLock);
    unsigned inFlight() const REQUIRES(poolLock);
    /** An idle instance that could make room for another application, and since when it is idle. */
    std::optional<MonotonicTime> evictable() const REQUIRES(poolLock);
    void evict() REQUIRES(poolLock);
    /** For the Pool's end: hands out what has watchers, to be dropped without the lock. */
    std::vector<ProcessPtr> takeProcesses() REQUIRES(poolLock);
    std::shared_ptr<Spawner> takeSpawner() REQUIRES(poolLock);

private:
    // GroupServing.cpp: the way from a spawner to an instance that serves.
    void startSpawnLoop() REQUIRES(poolLock);
    void spawnLoop() EXCLUDES(poolLock);
    bool spawnOne() EXCLUDES(poolLock);
    void putToWork(SpawnResult result, const Options &options, const std::shared_ptr<Spawner> &spawner,
                   const std::shared_ptr<LineGeneration> &line) EXCLUDES(poolLock);
    void serve(SpawnResult &result, const CellRange &cells, const LineGeneration &line, std::chrono::seconds timeout)
        EXCLUDES(poolLock);
    void spawnFailed(const GetFailure &failure, const std::shared_ptr<LineGeneration> &line, AfterUnlock &after)
        REQUIRES(poolLock);
    void added(const ProcessPtr &process, bool upToDate, AfterUnlock &after) REQUIRES(poolLock);
    void makeCurrent(const std::shared_ptr<LineGeneration> &line) REQUIRES(poolLock);

    unsigned wantedNow() const REQUIRES(poolLock);
    void retire(const ProcessPtr &process) REQUIRES(poolLock);
    void endSlowDrains(MonotonicTime now) REQUIRES(poolLock);
    void giveWaiters(AfterUnlock &after) REQUIRES(poolLock);
    SessionPtr openSession(const ProcessPtr &process) REQUIRES(poolLock);
    void publish() REQUIRES(poolLock);
    void makeLine() REQUIRES(poolLock);
    void retireLine() REQUIRES(poolLock);
    void logExit(Process &process, bool expected) REQUIRES(poolLock);
    void recheckWaiting() REQUIRES(poolLock);
    void giveUpCells(const CellRange &cells) REQUIRES(poolLock);
    Attachment attachment() const REQUIRES(poolLock);
    void refuseAll(const GetFailure &failure, AfterUnlock &after) REQUIRES(poolLock);
    bool busy(const Process &process) const REQUIRES(poolLock);
    /** Gives up the last reference to something with watchers, away from the lock. */
    void bury(ProcessPtr process) REQUIRES(poolLock);
    void buryLater(std::shared_ptr<Spawner> spawner) REQUIRES(poolLock);

    Pool &pool_;
    PoolContext &context_;
    const std::string name_;
    const std::uint32_t slot_;
    const bool pulls_;
    /** Those of the latest request: what the next instance is started with. */
    Options options_ GUARDED_BY(poolLock);
    RestartFiles restartFiles_;

    std::shared_ptr<Spawner> spawner_ GUARDED_BY(poolLock);
    /** Of versions that are over; a background thread ends them. */
    std::vector<std::shared_ptr<Spawner>> oldSpawners_ GUARDED_BY(poolLock);
    bool spawning_ GUARDED_BY(poolLock) = false;
    bool shutDown_ GUARDED_BY(poolLock) = false;
    bool used_ GUARDED_BY(poolLock) = false;
    /** So many are wanted again after a restart. */
    unsigned restoreTo_ GUARDED_BY(poolLock) = 0;

    std::vector<ProcessPtr> processes_ GUARDED_BY(poolLock);
    std::deque<GetCallback> waiters_ GUARDED_BY(poolLock);
    /** Why the application went down, and with which generation: who comes to it too late to be refused on its board is refused when it
     *  asks again, instead of failing in one spawn after the other. */
    GetFailure failure_ GUARDED_BY(poolLock){GetFailure::Reason::SPAWN_FAILED, "", "", ""};
    Generation failedGeneration_ GUARDED_BY(poolLock){};
    /** No further instance before this: the last attempt failed. */
    MonotonicTime notBefore_ GUARDED_BY(poolLock){};
    unsigned peak_ GUARDED_BY(poolLock) = 0;
    /** When something was last seen in flight. */
    MonotonicTime lastBusy_ GUARDED_BY(poolLock){};
    IdlePolicy idle_ GUARDED_BY(poolLock);

    std::optional<Line> line_ GUARDED_BY(poolLock);
    /** The generation that children send to; none while the application is down. */
    std::shared_ptr<LineGeneration> current_ GUARDED_BY(poolLock);
    /** A restart's: becomes current when its first instance is ready. */
    std::shared_ptr<LineGeneration> next_ GUARDED_BY(poolLock);
};

}  // namespace Passenger
