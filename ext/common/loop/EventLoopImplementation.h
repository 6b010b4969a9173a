#pragma once

#include <ev.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <thread>

#include "base/Mutex.h"
#include "loop/EventLoop.h"
#include "loop/Thread.h"

namespace Passenger {

/** What an EventLoop keeps from its users: libev and the queue of posted callbacks. Watchers use it too, on the loop's thread. */
struct EventLoop::Implementation {
    Implementation();
    ~Implementation();
    Implementation(const Implementation &) = delete;
    Implementation &operator=(const Implementation &) = delete;

    void start();
    /** False after stop(): the callback was dropped. */
    bool post(Callback callback) EXCLUDES(mutex);
    void stop() EXCLUDES(mutex, joinMutex);
    bool onLoopThread() const noexcept {
        return std::this_thread::get_id() == threadId.load();
    }

    struct ev_loop *const loop;

private:
    void run() noexcept;
    void runPosted() noexcept EXCLUDES(mutex);
    static void wakeUpArrived(struct ev_loop *loop, ev_async *watcher, int events) noexcept;

    ev_async wakeUp_;
    /** Set by the thread itself, first thing; nobody else's id equals the initial one. */
    std::atomic<std::thread::id> threadId{std::thread::id()};

    Mutex mutex{Locks::EVENT_LOOP};
    std::deque<Callback> posted_ GUARDED_BY(mutex);
    bool stopping_ GUARDED_BY(mutex) = false;

    Mutex joinMutex{Locks::EVENT_LOOP_THREAD};
    Thread thread_ GUARDED_BY(joinMutex);
};

}  // namespace Passenger
