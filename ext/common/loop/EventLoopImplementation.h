#pragma once

#include <ev.h>

#include <atomic>
#include <deque>
#include <thread>

#include "base/Mutex.h"
#include "loop/EventLoop.h"
#include "loop/Thread.h"

namespace Passenger {

/**
 * The private part of an EventLoop: libev's loop and the queue of posted callbacks. Watchers use it
 * on the loop's thread.
 */
struct EventLoop::Implementation {
    Implementation();
    ~Implementation();
    Implementation(const Implementation &) = delete;
    Implementation &operator=(const Implementation &) = delete;

    void start();
    /** @return false after stop(): the callback is not queued */
    bool post(Callback callback) EXCLUDES(mutex);
    /** As EventLoop::runSync(). @return false after stop() */
    bool runSync(const Callback &callback) EXCLUDES(mutex);
    void stop() EXCLUDES(mutex, joinMutex);
    bool onLoopThread() const noexcept { return std::this_thread::get_id() == threadId.load(); }

    struct ev_loop *const loop;

private:
    void run() noexcept;
    void runPosted() noexcept EXCLUDES(mutex);
    static void wakeUpArrived(struct ev_loop *loop, ev_async *watcher, int events) noexcept;

    ev_async wakeUp_;
    /** The loop's thread sets this before all else. No thread has the initial value as its id. */
    std::atomic<std::thread::id> threadId{std::thread::id()};

    Mutex mutex{Locks::EVENT_LOOP};
    std::deque<Callback> posted_ GUARDED_BY(mutex);
    bool stopping_ GUARDED_BY(mutex) = false;

    Mutex joinMutex{Locks::EVENT_LOOP_THREAD};
    Thread thread_ GUARDED_BY(joinMutex);
};

}  // namespace Passenger
