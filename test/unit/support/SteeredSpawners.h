#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pool/Process.h"
#include "spawning/Spawner.h"
#include "spawning/SpawnerFactory.h"
#include "support/DummyInstances.h"

namespace Passenger {

/**
 * Makes dummy instances, which the test drives. Each boot waits until the test ends it, one by one.
 * So the work of background threads happens when the test wants it, and in the same order each
 * time.
 *
 * Thread-safe; outlives the Pool.
 */
class SteeredSpawners final : public SpawnerFactory {
public:
    struct Boot {
        /** Grows in the order in which the pool started the boots. */
        std::uint64_t number = 0;
        std::string appRoot;
    };

    explicit SteeredSpawners(const Clock &clock);
    ~SteeredSpawners() override;
    SpawnerPtr create(const Options &options) override;
    pid_t spawnServerPid() const override { return 0; }

    /** Counts the calling thread among those that work for the pool, until its end. */
    void noteThread();
    /** The calling thread is not counted. */
    static void exceptThisThread();
    /** Counts an event: what the caller of allWait() counts has changed. */
    void noteChange();
    /** The number of events. */
    std::uint64_t changes();
    /** Whether `starting` boots wait, and no other thread of a boot runs. The caller counted
     *  `starting` when there were `changes` events. With further events since then, the caller has
     *  to count again. @throws std::runtime_error (no event for a long time) */
    bool allWait(unsigned starting, std::uint64_t changes);
    /** The boots that wait, in order. Only to be called while all wait. */
    std::vector<Boot> boots();
    void finish(std::uint64_t number, bool succeeds);
    DummyInstances &instances() noexcept { return instances_; }
    /** The pool numbers instances in the order of their making. */
    InstanceId idOf(const DummyInstance &instance);
    /** 0: the instance does not serve yet. */
    std::uint32_t stickyIdOf(InstanceId instance);
    /** Kills the instance's process. @return false: it has ended already */
    bool kill(InstanceId instance);
    /** The number of boots whose threads have ended, and of companions that were booted. */
    unsigned ended();
    /** The number of boots that the test did not end before the Pool's end. */
    unsigned forgotten();

private:
    class Steered;
    struct Held {
        std::string appRoot;
        pid_t thread = 0;
        const Steered *spawner = nullptr;
        bool decided = false;
        bool succeeds = false;
        /** The thread of a deployment starts a further instance, before its own task is over. */
        bool companion = false;
    };

    SpawnResult boot(const Steered &spawner, const Options &options);
    void cancel(Steered &spawner);
    void threadEnds();
    void changed();
    void numberArrivals();

    DummyInstances instances_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::uint64_t changes_ = 0;
    /** Threads that work for the pool, and have not ended. */
    unsigned threads_ = 0;
    /** Threads that have worked for the pool, and have ended; and companions that were booted. */
    unsigned ended_ = 0;
    std::vector<std::shared_ptr<Held>> arrived_;
    std::map<std::uint64_t, std::shared_ptr<Held>> held_;
    std::uint64_t lastNumber_ = 0;
    pid_t lastThread_ = 0;
    std::map<const DummyInstance *, InstanceId> ids_;
    unsigned forgotten_ = 0;
};

}  // namespace Passenger
