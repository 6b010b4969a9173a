#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <functional>

#include "base/Mutex.h"
#include "base/SystemClock.h"
#include "spawning/SpawnerFactory.h"
#include "support/DummyInstances.h"

namespace Passenger {

/** Makes DummySpawners and holds the knobs that all of them obey. Thread-safe, but hooks are set
 *  before the first spawn. */
class DummySpawnerFactory final : public SpawnerFactory {
public:
    explicit DummySpawnerFactory(DummyInstances::Driven driven = DummyInstances::Driven::BY_THREADS,
                                 const Clock &clock = SystemClock::instance())
        : instances_(driven, clock) {}

    SpawnerPtr create(const Options &options) override;
    RunAs ownerOf(const Options &options) const override { return owner ? owner(options) : RunAs(); }
    pid_t spawnServerPid() const override { return reportedSpawnServerPid.load(); }

    /** Called by each ownerOf(), likewise. */
    std::function<RunAs(const Options &options)> owner;
    /** Called first by each spawn(), in its thread, so by several at once; may wait, or throw. */
    std::function<void(const Options &options)> beforeSpawn;
    /** Makes the result, likewise. Without it, instances() does. */
    std::function<SpawnResult(const Options &options)> makeResult;
    /** What Spawner::lookForChanges() does, likewise. Without it, nothing. */
    std::function<void(const Options &options)> look;
    /** Does what a refork does, in its thread; may throw. Without it, they fail. */
    std::function<std::shared_ptr<const Origin>(const WarmInstance &instance)> refork;
    /** Whether a preloader has the application loaded, so that no spawn() loads it. */
    std::atomic<bool> loaded{true};
    /** So many of the next spawns fail with a SpawnException. */
    std::atomic<unsigned> failuresToCome{0};
    std::atomic<pid_t> reportedSpawnServerPid{0};

    DummyInstances &instances() noexcept { return instances_; }

    /** From now on spawns wait until they are let through, released or cancelled. */
    void hold() EXCLUDES(mutex_);
    /** Lets `count` held (or future) spawns through. */
    void letThrough(unsigned count = 1) EXCLUDES(mutex_);
    /** Lets all through, and holds no more. */
    void release() EXCLUDES(mutex_);
    /** Waits until at least `count` spawns are held. */
    void waitUntilHeld(unsigned count) EXCLUDES(mutex_);
    /** How many spawns are held now. */
    unsigned held() const EXCLUDES(mutex_);

    /** Spawners made, and those that still exist. */
    unsigned created() const { return created_.load(); }
    unsigned alive() const { return alive_.load(); }
    /** Calls of spawn() that were begun, and those that gave an instance. */
    unsigned attempts() const { return attempts_.load(); }
    unsigned spawned() const { return spawned_.load(); }
    /** Calls of rest(). */
    unsigned rests() const { return rests_.load(); }
    unsigned cancels() const { return cancels_.load(); }

private:
    friend class DummySpawner;

    SpawnResult spawn(const Options &options, const std::atomic<bool> &cancelled) EXCLUDES(mutex_);
    void passGate(const std::atomic<bool> &cancelled) EXCLUDES(mutex_);
    void wakeHeld() EXCLUDES(mutex_);
    unsigned waiting() const REQUIRES(mutex_);

    DummyInstances instances_;
    mutable Mutex mutex_{Locks::DUMMY_SPAWNERS};
    std::condition_variable gate_;
    bool holding_ GUARDED_BY(mutex_) = false;
    unsigned inGate_ GUARDED_BY(mutex_) = 0;
    unsigned passes_ GUARDED_BY(mutex_) = 0;
    std::atomic<unsigned> created_{0};
    std::atomic<unsigned> alive_{0};
    std::atomic<unsigned> attempts_{0};
    std::atomic<unsigned> spawned_{0};
    std::atomic<unsigned> rests_{0};
    std::atomic<unsigned> cancels_{0};
};

}  // namespace Passenger
