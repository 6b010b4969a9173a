#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "base/ProcessMemory.h"
#include "base/StrongId.h"
#include "control/InstanceStatus.h"
#include "exchange/Options.h"
#include "io/RequestQueue.h"
#include "policy/CpuUse.h"
#include "policy/MemoryGrowth.h"
#include "pool/BackgroundThreads.h"
#include "pool/Backtraces.h"
#include "pool/CpuLoad.h"
#include "pool/FormerClaims.h"
#include "pool/InstanceLink.h"
#include "pool/InstanceNote.h"
#include "pool/InstancePause.h"
#include "pool/Lifecycle.h"
#include "pool/Socket.h"
#include "spawning/CancelSwitch.h"
#include "spawning/Secrets.h"
#include "spawning/Spawner.h"

namespace Passenger {

struct Orphan;

/** The id of an instance in its pool; never used again. */
using InstanceId = StrongId<struct InstanceIdTag>;

/**
 * An instance of an application: its process, its output, the Socket by which it takes requests,
 * and its parts: the link with its process, how far it is between start and end, its pause.
 *
 * Shared by its Group, threads and callbacks; its state is guarded by the pool's lock. The link's
 * callbacks take that lock, so the last reference must never be dropped while the lock is held, see
 * PoolContext::bury().
 */
class Process {
public:
    using State = Lifecycle::State;

    /** What is known of its start. */
    struct Start {
        /** Requests that it can run at once, before give(). */
        unsigned threads = 1;
        /** As in Options, for PassengerHeartbeatTimeout and PassengerStopTimeout. */
        std::chrono::seconds heartbeatTimeout{0};
        std::chrono::seconds stopTimeout{0};
        /** RestartFiles::seen() before it, or before another version that did not start. */
        std::string restartFile = "-";
        /** See InstanceNote. */
        bool deployFailed = false;
        /** How long it took, up to the loaded application. */
        std::chrono::nanoseconds spawnTime{0};
    };

    /**
     * @param id unique in its pool
     * @param version of its application
     */
    Process(SpawnResult result, InstanceId id, std::uint64_t version, MonotonicTime now, Start start);
    /** An instance that an earlier pool process has started, and that serves. */
    Process(SpawnResult result, const Orphan &orphan, InstanceId id, std::uint64_t version, MonotonicTime now);
    ~Process();

    pid_t pid() const noexcept { return parts_.pid; }
    InstanceId id() const noexcept { return id_; }
    /**
     * The id by which a client's next request finds the instance again; not 0, and hard to guess.
     */
    std::uint32_t stickyId() const noexcept { return stickyId_; }
    /** The version of its application that it runs, as Versions counts. */
    std::uint64_t version() const noexcept { return version_; }
    MonotonicTime since() const noexcept { return since_; }
    const SpawnResult &parts() const noexcept { return parts_; }
    /** The secrets of its environment, which reports must not show. */
    const Secrets &secrets() const noexcept { return secrets_; }
    /** The claims that the instance has at earlier pool processes; null: no earlier one had it. */
    const std::shared_ptr<const FormerClaims> &former() const noexcept { return former_; }
    std::chrono::seconds heartbeatTimeout() const noexcept { return start_.heartbeatTimeout; }
    std::chrono::nanoseconds spawnTime() const noexcept { return start_.spawnTime; }
    const std::string &restartFile() const noexcept { return start_.restartFile; }
    /** The deployment of another version has failed. @param seen RestartFiles' */
    void noteFailedDeployment(const std::string &seen) {
        start_.restartFile = seen;
        start_.deployFailed = true;
    }
    /** The instance's note for the next pool process, without its cells. */
    InstanceNote note(const std::string &app) const;
    /** Whether it may have watchers. It must not be destroyed under the pool's lock then. */
    bool watched() const noexcept { return parts_.pidFd || parts_.control || parts_.output; }
    const Socket &socket() const noexcept { return socket_; }
    /** It is to take requests from this queue. Before beginToServe(). */
    void give(const Socket &socket) noexcept { socket_ = socket; }
    /**
     * Runs the Handshake: not on the event loop, nor under a lock. An instance that does not serve
     * then is killed, but for an adopted one that was told nothing.
     * @param cancel ends the wait
     * @throws SpawnException, with a report; SystemException
     */
    void beginToServe(const QueueHandover &handover, const std::string &app, const Options &options,
                      CancelSwitch &cancel);
    /** Counts what the limits of its control group did, and logs how it ended. Once. In a thread:
     *  its parent tells its wait status, and may be slow. */
    void logExit(BackgroundThreads &threads, const std::string &app);
    /** Sticky sessions: requests that are for this instance and no other. */
    const std::optional<RequestQueue> &ownQueue() const noexcept { return ownQueue_; }
    /**
     * Closes its own queue for senders. The caller then sends RECHECK to those whose requests are
     * in it. False: it has none, or it is closed already.
     */
    bool closeOwnQueue();
    /**
     * Kills it because it misbehaves. Its requests must not be given to another instance, which
     * might do the same.
     */
    void kill();
    /** Whether kill() was called. Its requests must not run again then. */
    bool killed() const noexcept { return killed_; }

    InstanceLink &link() noexcept { return link_; }
    InstancePause &pause() noexcept { return pause_; }
    const InstancePause &pause() const noexcept { return pause_; }
    Backtraces &backtraces() noexcept { return backtraces_; }
    Lifecycle &lifecycle() noexcept { return lifecycle_; }
    const Lifecycle &lifecycle() const noexcept { return lifecycle_; }
    State state() const noexcept { return lifecycle_.state(); }
    /** The instance gave no sign of life. If it was in service, its end counts as a death. */
    void noteSilence() noexcept { silent_ = silent_ || stays(); }
    /** Whether its end is a death, and not ordered. */
    bool endIsDeath() const noexcept { return state() != State::DRAINING || silent_; }
    /** As Lifecycle::stays(). */
    bool stays() const noexcept { return lifecycle_.stays(); }

    /** What was last measured for its status: memory, CPU time, the application's process. */
    const InstanceStatus &measured() const noexcept { return measured_; }
    void noteTimes(const InstanceStatus &times);
    /** Bytes of memory (PSS) when it was last measured; 0: never. */
    std::uint64_t memory() const noexcept { return measured_.memory; }
    const MemoryGrowth &growth() const noexcept { return growth_; }
    void noteMemory(const ProcessMemory &memory, MonotonicTime now);
    /** Whether it only waits: the last look at its CPU time, which is taken now if one is due. */
    bool onlyWaits(MonotonicTime now, CpuLoad &cpu);
    const CpuUse &cpuUse() const noexcept { return cpuUse_; }

private:
    SpawnResult parts_;
    InstancePause pause_;
    Backtraces backtraces_;
    Lifecycle lifecycle_;
    const Secrets secrets_;
    InstanceId id_;
    std::uint32_t stickyId_;
    std::uint64_t version_;
    MonotonicTime since_;
    std::shared_ptr<const FormerClaims> former_;
    Start start_;
    Socket socket_;
    std::optional<RequestQueue> ownQueue_;
    InstanceStatus measured_;
    MemoryGrowth growth_;
    CpuUse cpuUse_;
    bool killed_ = false;
    bool silent_ = false;
    /** The last member: its watchers call back until they are destroyed. */
    InstanceLink link_;
};

using ProcessPtr = std::shared_ptr<Process>;

}  // namespace Passenger
