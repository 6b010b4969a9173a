#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <utility>
#include <vector>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "base/SystemClock.h"
#include "loop/Thread.h"
#include "spawning/Spawner.h"
#include "support/DummyInstance.h"

namespace Passenger {

namespace Locks {
inline constexpr LockRank DUMMY_SPAWNERS{3, "DummySpawnerFactory::mutex_"};
}

/**
 * Makes DummyInstances. Either each has a thread, which answers each request at once; or the caller
 * drives them, and nothing happens but in step().
 *
 * Owned by the maker of the Pool; outlives the Pool. Any thread may call make(). Only the thread
 * that drives the instances calls the other methods.
 */
class DummyInstances {
public:
    enum class Driven { BY_THREADS, BY_HAND };

    explicit DummyInstances(Driven driven = Driven::BY_THREADS, const Clock &clock = SystemClock::instance());
    /** Waits for the instances' threads; their control sockets must have been closed. */
    ~DummyInstances();
    DummyInstances(const DummyInstances &) = delete;
    DummyInstances &operator=(const DummyInstances &) = delete;

    SpawnResult make() EXCLUDES(mutex_);

    // By hand.

    using Taken = std::function<void(DummyInstance &instance, unsigned thread)>;
    /** Each instance does what the agent has told it, and takes requests while it has a free
     *  thread. The instances take turns. @return whether an instance took a request, or ended */
    bool step(const Taken &taken) EXCLUDES(mutex_);
    /** Whether the agent has something to read: since the last call, step() found that an instance
     *  has told the agent something, or has ended. */
    bool takeNews() noexcept { return std::exchange(news_, false); }
    /** @param index from 0, in the order of their making. Valid as long as this object */
    DummyInstance &at(std::size_t index) EXCLUDES(mutex_);
    std::size_t count() const EXCLUDES(mutex_);

private:
    static void run(DummyInstance &instance);
    void listenToAgent() const;

    const Driven driven_;
    const Clock &clock_;
    mutable Mutex mutex_{Locks::DUMMY_SPAWNERS};
    std::deque<DummyInstance> all_ GUARDED_BY(mutex_);
    std::vector<DummyInstance *> living_ GUARDED_BY(mutex_);
    std::list<Thread> threads_ GUARDED_BY(mutex_);
    /** By hand: the control sockets, so that step() listens only to those with something to
     *  read. */
    FileDescriptor epoll_;
    bool news_ = false;
};

}  // namespace Passenger
