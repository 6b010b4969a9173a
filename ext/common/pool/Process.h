#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "exchange/Options.h"
#include "io/RequestQueue.h"
#include "policy/CpuUse.h"
#include "policy/MemoryGrowth.h"
#include "pool/BackgroundThreads.h"
#include "pool/Backtraces.h"
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
struct Serve;

/** The id of an instance in its pool; never used again. */
using InstanceId = StrongId<struct InstanceIdTag>;

/**
 * An instance of an application: its process, its output, the Socket by which it takes requests,
 * and its parts: the link with its process, how far it is between start and end, its pause.
 *
 * Shared by its Group, threads and callbacks; its state is guarded by the pool's lock. The link's
 * callbacks take that lock, so the last reference must never be dropped while the lock is held, see
 * Instances::bury().
 */
class Process {
public:
    using State = Lifecycle::State;

    /**
     * @param id unique in its pool
     * @param version of its application
     */
    Process(SpawnResult result, InstanceId id, std::uint64_t version, MonotonicTime now);
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
    /** As Options::heartbeatTimeout when it was started. */
    std::chrono::seconds heartbeatTimeout() const noexcept { return heartbeatTimeout_; }
    /** The instance's note for the next pool process, without its cells. */
    InstanceNote note(const std::string &app) const;
    /** Whether it may have watchers. It must not be destroyed under the pool's lock then. */
    bool watched() const noexcept { return parts_.pidFd || parts_.control || parts_.output; }
    /**
     * Tells the instance to take requests from the queue (SERVE), and waits until it says READY:
     * not on the event loop, nor under a lock. Before InstanceLink::watch(). Otherwise it is
     * killed. A new one answers the requests of PassengerWarmUp before. One that serves already has
     * less time for that, since nothing has to be loaded.
     * @param cancel ends the wait
     * @throws SpawnException, with a report; SystemException
     */
    void beginToServe(const QueueHandover &handover, const std::string &app, const Options &options,
                      CancelSwitch &cancel);
    /** Counts what the limits of its control group did, and logs how it ended. Once. In a thread:
     *  its parent tells its wait status, and may be slow. */
    void logExit(BackgroundThreads &threads, const std::string &app);
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
    /** Instances changes the state of an instance that has joined. */
    Lifecycle &lifecycle() noexcept { return lifecycle_; }
    const Lifecycle &lifecycle() const noexcept { return lifecycle_; }
    State state() const noexcept { return lifecycle_.state(); }
    /** The instance gave no sign of life. If it was in service, its end counts as a death. */
    void noteSilence() noexcept { silent_ = silent_ || stays(); }
    /** Whether its end is a death, and not ordered. */
    bool endIsDeath() const noexcept { return state() != State::DRAINING || silent_; }
    /** As Lifecycle::stays(). */
    bool stays() const noexcept { return lifecycle_.stays(); }

    Socket socket;
    /** Sticky sessions: requests that are for this instance and no other. */
    std::optional<RequestQueue> ownQueue;
    /** RestartFiles::seen() before it was started, or when another version did not start; of an
     *  adopted one what its note said. */
    std::string restartFile = "-";
    /** How long its start took, up to the loaded application. */
    std::chrono::nanoseconds spawnTime{0};
    /** Whether it only waits. Kept while other applications want room. */
    CpuUse cpuUse;
    /** Bytes of memory (PSS) when it was last measured; 0: never. */
    std::uint64_t memory = 0;
    /** The growth of the instance's private memory. */
    MemoryGrowth growth;

private:
    bool warmUp(Serve serve, const Options &options, FrameSocket::Deadline deadline, SpawnReport &report);
    void awaitReady(bool servesAlready, FrameSocket::Deadline deadline, SpawnReport &report);
    static void checkReady(const Frame &answer, SpawnReport &report);
    void explain(const std::exception &error, SpawnReport &report);

    SpawnResult parts_;
    InstancePause pause_;
    Backtraces backtraces_;
    Lifecycle lifecycle_;
    Secrets secrets_{Secrets::Variables()};
    InstanceId id_;
    std::uint32_t stickyId_;
    std::uint64_t version_;
    MonotonicTime since_;
    std::shared_ptr<const FormerClaims> former_;
    std::chrono::seconds heartbeatTimeout_{0};
    /** As Options::stopTimeout when it was started. */
    std::chrono::seconds stopTimeout_{0};
    bool killed_ = false;
    bool silent_ = false;
    /** The last member: its watchers call back until they are destroyed. */
    InstanceLink link_;
};

using ProcessPtr = std::shared_ptr<Process>;

}  // namespace Passenger
