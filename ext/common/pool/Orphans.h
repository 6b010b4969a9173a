#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "loop/Timer.h"
#include "pool/DescriptorStore.h"
#include "pool/InstanceStore.h"
#include "spawning/ProcessOutput.h"

namespace Passenger {

/** A copy of the state of an orphan. */
struct OrphanSnapshot {
    std::string app;
    pid_t pid;
    /** True: the orphan waits to be taken over. False: it was told to end. */
    bool waits;
    /** Its requests in work. */
    unsigned sessions;
    /** The user as whom it runs. Nothing: unknown. */
    std::optional<uid_t> user;
};

/**
 * The instances of a pool process that has ended, as the watchdog has kept them. Their queues are
 * closed at once, and they finish the requests that they have. Instances that served wait then
 * until this pool process takes them over, when a child asks for their application. Others are told
 * to end, and killed if they do not. Until then their output is forwarded. When one has ended, its
 * claims are marked, so that children stop waiting for it.
 *
 * Owned by the PoolContext. Thread-safe; its lock is taken after the pool's. Never waits for an
 * instance.
 */
class Orphans {
public:
    Orphans(EventLoop &loop, const Clock &clock, DescriptorStore &store, InstanceStore::FindGroup findGroup);
    ~Orphans();
    Orphans(const Orphans &) = delete;
    Orphans &operator=(const Orphans &) = delete;

    /** Takes one entry over that the watchdog has kept. An invalid one is removed there. */
    void restore(const std::string &key, const std::string &note, std::vector<FileDescriptor> descriptors)
        EXCLUDES(mutex_);
    /** Instances that are not taken over within this time after the construction are told to end;
     *  zero: never. */
    void wait(std::chrono::nanoseconds time) EXCLUDES(mutex_);

    /** Whether this object looks after no instance. */
    bool empty() const EXCLUDES(mutex_);
    std::vector<OrphanSnapshot> inspect() const EXCLUDES(mutex_);
    /** The number of instances that wait for a take-over. */
    unsigned waiting(const std::string &app) const EXCLUDES(mutex_);
    /** InstanceNote::restartFile of an orphan that waits. Nothing: no orphan of the application
     *  waits. If a restart was asked for and is not rolling, tells the orphans to end and returns
     *  nothing. @param rolling PassengerRollingRestarts */
    std::optional<std::string> restartFile(const std::string &app, bool rolling) EXCLUDES(mutex_);
    /** Whether the last deployment of the application failed, so that waiting orphans are of the
     *  version before. */
    bool deployFailed(const std::string &app) const EXCLUDES(mutex_);
    /** Asks for a restart once the waiting orphans of the application are taken over. False: no
     *  orphan waits. */
    bool askRestart(const std::string &app) EXCLUDES(mutex_);
    /** Reserves an orphan of the application for its take-over. @return its key; empty: no orphan
     *  waits */
    std::string reserve(const std::string &app) EXCLUDES(mutex_);
    /** The take-over did not begin. The instance waits again. */
    void release(const std::string &key) EXCLUDES(mutex_);
    /** Hands the instance out for its take-over. Nothing: it has ended. Not with the pool's
     *  lock. */
    std::optional<Orphan> take(const std::string &key) EXCLUDES(mutex_);
    /** The take-over failed. Tells the orphan to end. @param killed the caller has killed it, so it
     *  is not told */
    void giveBack(Orphan orphan, bool killed) EXCLUDES(mutex_);
    /** Tells the waiting orphans of the application to end. False: no orphan waits. */
    bool end(const std::string &app) EXCLUDES(mutex_);
    /** Tells waiting orphans to end until at most `most` wait. Orphans without requests end
     *  first. */
    void limit(unsigned most) EXCLUDES(mutex_);

private:
    enum class State {
        /** Until a child asks for its application. */
        WAITS,
        /** Is about to be taken over. */
        RESERVED,
        /** Was told to end. */
        ENDS
    };
    struct Kept {
        Orphan orphan;
        State state = State::WAITS;
        /** When it was told to end. */
        MonotonicTime endsSince{};
        bool killed = false;
        std::optional<uid_t> user{};
        ProcessOutputPtr output{};
        std::unique_ptr<DescriptorWatcher> watcher{};
    };

    void keep(Kept kept) EXCLUDES(mutex_);
    void look() EXCLUDES(mutex_);
    std::optional<Kept> remove(const std::string &key) EXCLUDES(mutex_);
    void ended(const std::string &key) EXCLUDES(mutex_);
    void tellToEnd(Kept &kept, const char *why) REQUIRES(mutex_);
    void deposit(const Orphan &orphan);

    EventLoop &loop_;
    const Clock &clock_;
    DescriptorStore &store_;
    InstanceStore instances_;
    const InstanceStore::FindGroup findGroup_;
    const MonotonicTime since_;
    mutable Mutex mutex_{Locks::ORPHANS};
    /** By key. */
    std::map<std::string, Kept> kept_ GUARDED_BY(mutex_);
    /** When the orphans that still wait are told to end; none: never. */
    std::optional<MonotonicTime> waitUntil_ GUARDED_BY(mutex_);
    /** The time between two looks at the clock while there are instances. */
    std::chrono::milliseconds interval_ GUARDED_BY(mutex_);
    Timer timer_;
};

}  // namespace Passenger
