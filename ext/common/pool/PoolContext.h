#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "base/Clock.h"
#include "base/Mutex.h"
#include "base/StrongId.h"
#include "loop/EventLoop.h"
#include "pool/ApplicationQueue.h"
#include "pool/BackgroundThreads.h"
#include "pool/ChannelRegistry.h"
#include "pool/CpuLoad.h"
#include "pool/DescriptorStore.h"
#include "pool/Orphans.h"
#include "pool/Process.h"
#include "pool/QueuePauses.h"
#include "pool/RecentReports.h"
#include "spawning/Spawner.h"
#include "spawning/SpawnerFactory.h"

namespace Passenger {

struct PoolSettings {
    /** Instances over all applications. */
    unsigned maxSize = 6;
    /** Instances of one application; 0: no limit of its own. */
    unsigned maxInstancesPerApp = 0;
    /** MB that the instances of all applications may use together (PSS); 0: no limit. */
    unsigned memoryBudget = 0;
    /** An instance that was not needed for so long ends; zero: never. */
    std::chrono::nanoseconds idleTime = std::chrono::seconds(300);
    /** An application without instances, requests and reply channels for so long is forgotten;
     *  zero: never. */
    std::chrono::nanoseconds forgetTime = std::chrono::hours(1);
};

/**
 * To hold it means to hold the pool's lock. One role for all pools of a process, since they never
 * touch each other.
 */
class CAPABILITY("pool lock") PoolLockRole {};
inline PoolLockRole poolLock;

/** What a Pool and its Groups share: the lock, and what was passed in. Owned by the Pool. */
struct PoolContext {
    EventLoop &loop;
    SpawnerFactory &factory;
    ChannelRegistry &channels;
    const Clock &clock;
    DescriptorStore &store;
    CpuLoad &cpu;

    Orphans orphans{loop, clock, store, [&factory = factory](const std::string &app, const std::string &name) {
                        return factory.groupNamed(app, name);
                    }};

    QueuePauses pauses GUARDED_BY(poolLock){store};

    /**
     * Guards the Pool, all Groups and Processes. Taken before the registry's lock; never held
     * during a wait.
     */
    Mutex mutex{Locks::POOL};
    /** How many threads wait for the lock, or are about to, and how often it was taken. */
    std::atomic<unsigned> wanted{0};
    std::atomic<unsigned> taken{0};
    PoolSettings settings GUARDED_BY(poolLock){};
    Generation lastGeneration GUARDED_BY(poolLock){};
    InstanceId lastInstance GUARDED_BY(poolLock){};
    RecentReports reports GUARDED_BY(poolLock){};
    bool shuttingDown GUARDED_BY(poolLock) = false;
    /** Waited for by the Pool's destructor; last, so that it is destroyed first. */
    BackgroundThreads threads{};

    /**
     * Lets a thread that waits for the lock have it first. Otherwise whoever gives it up and takes
     * it again gets it, before the other thread wakes up.
     */
    void giveWay() const EXCLUDES(poolLock) {
        const unsigned before = taken;
        if (wanted > 0) {
            taken.wait(before);
        }
    }
    InstanceId nextInstance() REQUIRES(poolLock) { return lastInstance = InstanceId(lastInstance.value() + 1); }
    /** A queue for the application's requests, with a generation of its own.
     *  @throws SystemException */
    QueueGenerationPtr makeQueue(const Options &options) REQUIRES(poolLock) {
        lastGeneration = Generation(lastGeneration.value() + 1);
        auto made = std::make_shared<QueueGeneration>(
            QueueGeneration{lastGeneration, makeRequestQueue(options.maxQueueSize), std::nullopt});
        if (options.hasPriorityQueue()) {
            made->priority = makeRequestQueue(options.maxQueueSize);
        }
        return made;
    }
    /** The process has ended. Watchers are destroyed on the loop, and without the lock: its holder
     *  may use the process. */
    inline void bury(ProcessPtr process);
};

/** Holds the pool's lock for a scope. */
class SCOPED_CAPABILITY PoolGuard {
public:
    explicit PoolGuard(PoolContext &context) ACQUIRE(poolLock) NO_THREAD_SAFETY_ANALYSIS : guard_(wantedIn(context)) {
        // In this order: see giveWay().
        context.wanted--;
        context.taken++;
        context.taken.notify_all();
    }
    ~PoolGuard() RELEASE() NO_THREAD_SAFETY_ANALYSIS {}

private:
    static Mutex &wantedIn(PoolContext &context) noexcept {
        context.wanted++;
        return context.mutex;
    }

    LockGuard guard_;
};

void PoolContext::bury(ProcessPtr process) {
    if (process->watched()) {
        loop.post([this, process = std::move(process)] { const PoolGuard guard(*this); });
    }
}

}  // namespace Passenger
