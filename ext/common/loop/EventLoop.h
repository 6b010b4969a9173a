#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/ThreadSafety.h"

namespace Passenger {

/** Holding it means: this code runs on the event loop's thread. */
class CAPABILITY("event loop") EventLoopRole {};

/**
 * libev's loop in a thread of its own (Boost.Thread). It never blocks: callbacks may not wait for anything, and may not call Spawner
 * methods (doc/THREADING.md).
 *
 * Owned by main(). Everything that has watchers is destroyed before stop(); watchers may be destroyed from any thread while
 * the loop runs, and after the destructor returns none of their callbacks runs or will run.
 * Destroying a watcher on another thread waits for the loop, so no lock may be held meanwhile: a callback may want it. Development
 * builds abort there.
 * A callback that throws ends the process: an error in the loop must not be lost. What runSync() runs may throw.
 */
class EventLoop {
public:
    using Callback = std::function<void()>;

    /** Starts the thread. @throws boost::thread_resource_error, SystemException */
    EventLoop();
    ~EventLoop();
    EventLoop(const EventLoop &) = delete;
    EventLoop &operator=(const EventLoop &) = delete;

    /** Runs `callback` on the loop, soon, in the order of posting. From any thread; does not wait. Dropped after stop(). */
    void post(Callback callback);
    /** Runs `callback` on the loop and waits for it, without any lock; at once when called on the loop. @throws what it throws; std::logic_error after stop() */
    void runSync(const Callback &callback);
    /** Ends the loop after what was posted so far; waits for the thread. Not from the loop itself. Idempotent. */
    void stop();
    bool onLoopThread() const noexcept;
    /** For what waits for a loop: on the thread of one, it says in the log that this was done there, and aborts. */
    static void assertNotOnAnyLoop(const char *what);
    /** For the thread-safety analysis: aborts when not on the loop. */
    void assertOnLoop() const ASSERT_CAPABILITY(role);

    static EventLoopRole role;

    struct Implementation;
    Implementation &implementation() {
        return *implementation_;
    }

private:
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace Passenger

// The two kinds of watchers come with the loop that they need.
#include "loop/DescriptorWatcher.h"
#include "loop/Timer.h"
