#pragma once

#include <condition_variable>
#include <mutex>

#include "base/ThreadSafety.h"

namespace Passenger {

/** std::mutex with annotations, so that the compiler checks what is guarded by it. */
class CAPABILITY("mutex") Mutex {
public:
    void lock() ACQUIRE() {
        mutex_.lock();
    }
    void unlock() RELEASE() {
        mutex_.unlock();
    }

private:
    friend class LockGuard;
    std::mutex mutex_;
};

/** Holds a Mutex for a scope. */
class SCOPED_CAPABILITY LockGuard {
public:
    explicit LockGuard(Mutex &mutex) ACQUIRE(mutex) : lock_(mutex.mutex_) {}
    ~LockGuard() RELEASE() = default;
    LockGuard(const LockGuard &) = delete;
    LockGuard &operator=(const LockGuard &) = delete;

    /** Gives the mutex up while it waits. The caller checks its condition again afterwards. */
    void wait(std::condition_variable &condition) {
        condition.wait(lock_);
    }
    template <typename TimePoint> bool waitUntil(std::condition_variable &condition, TimePoint deadline) {
        return condition.wait_until(lock_, deadline) == std::cv_status::no_timeout;
    }

private:
    std::unique_lock<std::mutex> lock_;
};

}  // namespace Passenger
