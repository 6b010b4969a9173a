#pragma once

#include <functional>
#include <memory>

#include "base/ThreadSafety.h"

namespace Passenger {

/** A role of the thread-safety analysis: code that holds it runs on the event loop's thread. */
class CAPABILITY("event loop") EventLoopRole {};

/**
 * libev's loop in its own thread (Boost.Thread). The loop must not block: callbacks do not wait,
 * and do not call Spawner methods (doc/THREADING.md).
 *
 * main() owns the loop. All owners of watchers of descriptors are destroyed before stop(); a Timer
 * may outlive the loop. Any thread may destroy a watcher while the loop runs. After the destructor
 * has returned, no callback of the watcher runs.
 *
 * Another thread that destroys a watcher waits for the loop. That thread must hold no lock, since a
 * callback may need the lock. Development builds abort if it does.
 *
 * A callback that throws ends the process, so that no error is lost. A callback of runSync() may
 * throw.
 */
class EventLoop {
public:
    using Callback = std::function<void()>;

    /** Starts the thread. @throws boost::thread_resource_error, SystemException */
    EventLoop();
    ~EventLoop();
    EventLoop(const EventLoop &) = delete;
    EventLoop &operator=(const EventLoop &) = delete;

    /**
     * Runs `callback` on the loop's thread after all callbacks posted earlier. From any thread;
     * does not wait. Ignored after stop().
     */
    void post(Callback callback);
    /**
     * Runs `callback` on the loop's thread and waits for it. The caller holds no lock. On the
     * loop's thread the callback runs at once.
     * @throws the exception of `callback`; std::logic_error after stop()
     */
    void runSync(const Callback &callback);
    /**
     * Ends the loop after all posted callbacks, and waits for the thread. Not from the loop's
     * thread. Idempotent.
     */
    void stop();
    bool onLoopThread() const noexcept;
    /**
     * For functions that wait for a loop: on the thread of any loop, logs the misuse with `what`
     * and aborts.
     */
    static void assertNotOnAnyLoop(const char *what);
    /** For the thread-safety analysis: aborts on any other thread. */
    void assertOnLoop() const ASSERT_CAPABILITY(role);

    static EventLoopRole role;

    struct Implementation;
    /** A watcher that may outlive the loop shares it. */
    const std::shared_ptr<Implementation> &implementation() { return implementation_; }

private:
    std::shared_ptr<Implementation> implementation_;
};

}  // namespace Passenger

// A user of the loop needs the two kinds of watchers, too.
#include "loop/DescriptorWatcher.h"
#include "loop/Timer.h"
