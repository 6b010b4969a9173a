#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "exchange/Options.h"
#include "policy/Backoff.h"
#include "policy/IdlePolicy.h"
#include "policy/RecentTimes.h"
#include "policy/RoomPolicy.h"
#include "policy/ScalingPolicy.h"
#include "pool/ApplicationQueue.h"
#include "pool/GetFailure.h"
#include "pool/HangWatch.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"
#include "pool/Snapshot.h"
#include "restart/RestartFiles.h"
#include "spawning/CancelSwitch.h"

namespace Passenger {

class Pool;

/**
 * An application: its instances, their number, its versions, its queue.
 *
 * Owned by its SuperGroup. All methods are called with the pool's lock held, on any thread; what
 * may block happens in background threads, one for each spawn. Watchers' callbacks come in through
 * the Pool, which takes the lock.
 *
 * Always true: a request that waits has an instance that serves, or one that is being started, or
 * the Group has asked the Pool for room, or there is a date on the deadlines at which it is tried
 * again; otherwise it is refused.
 */
class Group {
public:
    /** @param slot in the generation table */
    Group(Pool &pool, PoolContext &context, const Options &options, std::uint32_t slot);
    ~Group();

    const std::string &name() const noexcept {
        return name_;
    }
    std::uint32_t slot() const noexcept {
        return slot_;
    }
    RestartFiles &restartFiles() noexcept {
        return restartFiles_;
    }
    Instances &instances() noexcept REQUIRES(poolLock) {
        return instances_;
    }
    const Instances &instances() const noexcept REQUIRES(poolLock) {
        return instances_;
    }
    ApplicationQueue &queue() noexcept REQUIRES(poolLock) {
        return queue_;
    }
    const ApplicationQueue &queue() const noexcept REQUIRES(poolLock) {
        return queue_;
    }
    /** In a background thread. */
    bool beginRestarts(const Options &options) EXCLUDES(poolLock);

    // ----- Group.cpp: requests

    /** The current queue, making it and starting an instance when there is none. @param unusable a generation that
     *  was found closed. @throws RefusedException (no instance could be made lately) */
    Attachment attach(const Options &options, Generation unusable) REQUIRES(poolLock);

    // ----- GroupScaling.cpp: how many

    /** Starts what is needed and allowed, and says when to look again. Called whenever the need or the room may have grown. */
    void rescale() REQUIRES(poolLock);
    /** Whether requests wait that may need another instance. */
    bool asks() const REQUIRES(poolLock) {
        return queue_.senders().wanted();
    }
    /** Its date on the deadlines has come. */
    void attend(MonotonicTime now) REQUIRES(poolLock);
    /** All instances that live or are being started: what counts for the pool's limit. */
    unsigned size() const REQUIRES(poolLock);
    /** Whether an instance takes another one's place at this moment: then the limits may be exceeded by one. */
    bool replacing() const REQUIRES(poolLock);
    /** Whether an instance that was to replace something is on its way, be it still of use or not. */
    bool startingReplacement() const REQUIRES(poolLock) {
        return replacements_ > 0;
    }
    /** Whether it has as many as it may. */
    bool atLimit() const REQUIRES(poolLock);

    // ----- GroupShrinking.cpp: what it can do without

    RoomRequest roomRequest() const REQUIRES(poolLock);
    /** Nothing: there is no instance that could go. */
    std::optional<RoomCandidate> roomCandidate() const REQUIRES(poolLock);
    /** Makes room for another application. */
    void evict() REQUIRES(poolLock);
    GroupSnapshot inspect(MonotonicTime now) const REQUIRES(poolLock);

    // ----- GroupReplacing.cpp: another version, another instance

    /** The application has changed: new instances serve when the first of them is ready, or else from now on. */
    void restart() REQUIRES(poolLock);
    /** Whether always_restart.txt asks for one now: something was asked of the newest instances, and none is on its way. */
    bool mayAlwaysRestart() const REQUIRES(poolLock);
    /** The instance goes on until another one has taken its place. */
    void requestReplacement(Process &process, const std::string &why) REQUIRES(poolLock);
    /** Ends the instance; another one comes for it where there is need. */
    void detach(const ProcessPtr &process) REQUIRES(poolLock);
    /** The instance gets no requests until it is enabled. False: nobody would be left to serve, nor could be. */
    bool disable(const ProcessPtr &process) REQUIRES(poolLock);
    void enable(const ProcessPtr &process) REQUIRES(poolLock);

    // ----- GroupEnding.cpp: what ends

    /** Ends all instances; the next request starts new ones. */
    void clear() REQUIRES(poolLock);
    /** Ends everything; waiters are refused. Spawns under way are cancelled. */
    void shutDown(bool refuseQueued) REQUIRES(poolLock);
    /** The process has ended: tells who waits for it, and replaces it. */
    void processDied(const ProcessPtr &process) REQUIRES(poolLock);
    /** As Pool's. */
    bool requestOverran(ChannelId channel, Ticket ticket, std::chrono::milliseconds time) REQUIRES(poolLock);
    /** A frame from its control socket. */
    void processSent(Process &process, const Frame &frame) REQUIRES(poolLock);
    /** The channels will not be used again. */
    void channelsGone(const std::vector<ChannelId> &channels) REQUIRES(poolLock);
    /** Whether it has instances with a memory limit; and those. */
    bool isMeasured() const REQUIRES(poolLock) {
        return (options_.memoryLimit > 0 || options_.hardMemoryLimit > 0) && !instances_.empty();
    }
    /** Whether it has files that are to be copied into our log, and a process that may write them. */
    bool isMonitored() const REQUIRES(poolLock) {
        return !options_.monitoredFiles.empty() && (starting_ > 0 || !instances_.empty());
    }
    /** Those of the last request that asked. */
    const Options &options() const REQUIRES(poolLock) {
        return options_;
    }
    void measured(Process &process, std::uint64_t bytes) REQUIRES(poolLock);
    std::vector<std::shared_ptr<Spawner>> takeSpawners() REQUIRES(poolLock);

private:
    using SpawnerPointer = std::shared_ptr<Spawner>;

    /** One instance on its way. */
    struct SpawnTask {
        enum class Purpose {
            /** One more. */
            GROW,
            /** The first of a new version. */
            DEPLOY,
            /** In the place of a worn one. */
            REPLACE
        };
        Purpose purpose = Purpose::GROW;
        std::uint64_t version = 0;
        SpawnerPointer spawner;
        Options options;
        /** REPLACE: the worn one. */
        InstanceId replaces;
        MonotonicTime begunAt{};
        /** The first attempt's process was killed by a signal. */
        bool secondAttempt = false;
    };

    /** A version that is to take over when its first instance is ready. */
    struct Deployment {
        std::uint64_t version = 0;
        SpawnerPointer spawner;
        /** The queue that its instances will take from. */
        QueueGenerationPtr queue;
        bool started = false;
    };

    /** An instance that has started, and waits for the end of the one that it replaces: where only one may serve. */
    struct Standby {
        ProcessPtr process;
        SpawnTask task;
    };

    // Group.cpp
    bool failsAtOnce(MonotonicTime now) const REQUIRES(poolLock);

    // GroupScaling.cpp
    ScalingSnapshot scaling(MonotonicTime now) REQUIRES(poolLock);
    void lookAtQueue(ScalingSnapshot &snapshot, MonotonicTime now) REQUIRES(poolLock);
    void readStatistics(MonotonicTime now) REQUIRES(poolLock);
    void grow(MonotonicTime now) REQUIRES(poolLock);
    void replaceOne(MonotonicTime now) REQUIRES(poolLock);
    void plan(MonotonicTime now) REQUIRES(poolLock);
    unsigned maxInstances() const REQUIRES(poolLock);
    unsigned inFlight() const REQUIRES(poolLock);

    // GroupShrinking.cpp
    std::chrono::nanoseconds idleInterval() const REQUIRES(poolLock);
    void collectIdle(MonotonicTime now) REQUIRES(poolLock);
    unsigned notePeak(MonotonicTime now) REQUIRES(poolLock);

    // GroupSpares.cpp: instances that are kept free
    bool keepsSpares() const REQUIRES(poolLock);
    bool inUse(MonotonicTime now) const REQUIRES(poolLock);
    unsigned atWork() const REQUIRES(poolLock);
    void startSpares(MonotonicTime now) REQUIRES(poolLock);
    void lookAtSpares(MonotonicTime now) REQUIRES(poolLock);
    void endSpares(MonotonicTime now) REQUIRES(poolLock);
    unsigned withoutSpares(unsigned surplus, MonotonicTime now) const REQUIRES(poolLock);

    // GroupInspection.cpp
    GroupState state(MonotonicTime now) const REQUIRES(poolLock);
    ProcessSnapshot inspect(const Process &process, MonotonicTime now) const REQUIRES(poolLock);

    // GroupSpawning.cpp: the way from a spawner to an instance that serves.
    bool startSpawn(const SpawnTask &task) REQUIRES(poolLock);
    void begun(const SpawnTask &task) REQUIRES(poolLock);
    void concluded(const SpawnTask &task) REQUIRES(poolLock);
    SpawnTask growTask() const REQUIRES(poolLock);
    void runSpawn(const SpawnTask &task) EXCLUDES(poolLock);
    void attempt(const SpawnTask &task, const std::function<void()> &work) EXCLUDES(poolLock);
    void started(const SpawnTask &task, const ProcessPtr &process) EXCLUDES(poolLock);
    void putToWork(const SpawnTask &task, const ProcessPtr &process) EXCLUDES(poolLock);
    void serveFromQueue(const SpawnTask &task, Process &process) EXCLUDES(poolLock);
    void join(const SpawnTask &task, const ProcessPtr &process) REQUIRES(poolLock);
    void watch(const ProcessPtr &process) EXCLUDES(poolLock);
    void spawnFailed(const SpawnTask &task, GetFailure failure) REQUIRES(poolLock);
    bool tryAgain(const SpawnTask &task, const GetFailure &failure) REQUIRES(poolLock);
    bool wanted(const SpawnTask &task) const REQUIRES(poolLock);

    // GroupReplacing.cpp
    void deploy() REQUIRES(poolLock);
    void takeOver(const SpawnTask &task) REQUIRES(poolLock);
    void deployFailed(const GetFailure &failure) REQUIRES(poolLock);
    void adoptDeployment() REQUIRES(poolLock);
    void dropDeployment() REQUIRES(poolLock);
    bool deploys(const SpawnTask &task) const REQUIRES(poolLock);
    void dropStandby() REQUIRES(poolLock);
    bool mustStandBy(const SpawnTask &task) const REQUIRES(poolLock);
    void standBy(const SpawnTask &task, const ProcessPtr &process) REQUIRES(poolLock);
    void activateStandby() REQUIRES(poolLock);
    void retire(const ProcessPtr &process) REQUIRES(poolLock);
    void retireAll() REQUIRES(poolLock);
    void retireOlderThan(std::uint64_t version) REQUIRES(poolLock);
    void newQueue() REQUIRES(poolLock);
    QueueGenerationPtr makeGeneration() REQUIRES(poolLock);

    // GroupPreloader.cpp
    std::optional<MonotonicTime> restDate() const REQUIRES(poolLock);
    void restIfDue(MonotonicTime now) REQUIRES(poolLock);
    void warmed(const Process &process) REQUIRES(poolLock);
    void refork(const ProcessPtr &instance, const SpawnerPointer &spawner, const Options &options) EXCLUDES(poolLock);
    void reforkFailed(const Process &instance, const SpawnException &failure) REQUIRES(poolLock);
    void reforked(const Process &instance) REQUIRES(poolLock);
    void replaceIfCold(Process &process) REQUIRES(poolLock);

    // GroupEnding.cpp
    void closeQueue() REQUIRES(poolLock);
    void closeQueueIfUnused() REQUIRES(poolLock);
    void publish() REQUIRES(poolLock);
    void ended(const ProcessPtr &process) REQUIRES(poolLock);
    void diedYoung(Process &process, MonotonicTime now) REQUIRES(poolLock);
    void endHung(const ProcessPtr &process, std::chrono::milliseconds limit) REQUIRES(poolLock);
    void logExit(Process &process, bool expected) REQUIRES(poolLock);
    void buryLater(SpawnerPointer spawner) REQUIRES(poolLock);
    void dropLater(SpawnerPointer spawner) REQUIRES(poolLock);
    void goDown(const GetFailure &failure) REQUIRES(poolLock);
    void logFailure(const char *event, GetFailure &failure) REQUIRES(poolLock);

    Pool &pool_;
    PoolContext &context_;
    const std::string name_;
    const std::uint32_t slot_;
    /** Those of the latest request that found nobody free: what the next instance is started with. */
    Options options_ GUARDED_BY(poolLock);

    ApplicationQueue queue_ GUARDED_BY(poolLock);
    /** Something was asked of it since it last was given up for others. */
    bool used_ GUARDED_BY(poolLock) = false;
    Instances instances_ GUARDED_BY(poolLock);
    HangWatch hangs_ GUARDED_BY(poolLock);
    MonotonicTime lastProgress_ GUARDED_BY(poolLock){};
    GroupCounters counters_ GUARDED_BY(poolLock);
    /** How long answers took of late. */
    RecentTimes recent_ GUARDED_BY(poolLock);

    RestartFiles restartFiles_;

    // Versions.
    std::uint64_t version_ GUARDED_BY(poolLock) = 1;
    std::uint64_t lastVersion_ GUARDED_BY(poolLock) = 1;
    SpawnerPointer spawner_ GUARDED_BY(poolLock);
    std::optional<Deployment> deployment_ GUARDED_BY(poolLock);
    std::optional<GetFailure> deployFailure_ GUARDED_BY(poolLock);
    std::optional<Standby> standby_ GUARDED_BY(poolLock);
    /** Of versions that are over; a background thread ends them. */
    std::vector<SpawnerPointer> oldSpawners_ GUARDED_BY(poolLock);

    // The preloader.
    /** When a spawn ended last, since the preloader was told to rest. */
    std::optional<MonotonicTime> lastSpawn_ GUARDED_BY(poolLock);
    bool reforking_ GUARDED_BY(poolLock) = false;
    /** What the instances come from that the last refork made old. */
    std::shared_ptr<const Origin> coldOrigin_ GUARDED_BY(poolLock);

    // Instances.
    unsigned starting_ GUARDED_BY(poolLock) = 0;
    /** Of those that are starting: to replace something. */
    unsigned replacements_ GUARDED_BY(poolLock) = 0;
    /** The worn instance whose successor is on its way. */
    InstanceId beingReplaced_ GUARDED_BY(poolLock);
    /** So many are wanted again, after a restart or a death. */
    unsigned restoreTo_ GUARDED_BY(poolLock) = 0;
    /** When a child last asked for the queue of an application without an instance. The child sends a request in a moment. */
    std::optional<MonotonicTime> expecting_ GUARDED_BY(poolLock);
    /** When an instance last began to serve. */
    MonotonicTime lastJoin_ GUARDED_BY(poolLock){};
    bool shutDown_ GUARDED_BY(poolLock) = false;
    /** Ends the waits for instances that were told to serve. */
    CancelSwitch beginnings_;
    /** Why the latest instance was spawned in another way than was asked for; empty: it was not. */
    std::string spawnFallback_ GUARDED_BY(poolLock);
    Backoff backoff_ GUARDED_BY(poolLock);
    /** Why it does not start, and with which generation it went down: whoever comes too late to be refused on its in-flight table is refused when
     *  it asks again. */
    std::optional<GetFailure> failure_ GUARDED_BY(poolLock);
    Generation failedGeneration_ GUARDED_BY(poolLock){};
    /** Whatever happened since. */
    struct LastFailure {
        std::string reportId;
        std::string summary;
        MonotonicTime when;
    };
    std::optional<LastFailure> lastFailure_ GUARDED_BY(poolLock);

    // What is looked at by the clock.
    /** Since when the oldest request waits, as far as it was looked at. */
    std::optional<MonotonicTime> waitingSince_ GUARDED_BY(poolLock);
    MonotonicTime lastBusy_ GUARDED_BY(poolLock){};
    MonotonicTime nextIdleLook_ GUARDED_BY(poolLock){};
    IdlePolicy idle_ GUARDED_BY(poolLock);
    /** Spares: how many were at work at once in the last moment. */
    IdlePolicy lately_ GUARDED_BY(poolLock);
    MonotonicTime nextSpareLook_ GUARDED_BY(poolLock){};
    /** What the children had counted when it was last read. */
    GroupStatistics read_ GUARDED_BY(poolLock);
};

}  // namespace Passenger
