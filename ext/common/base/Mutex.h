#pragma once

#include <condition_variable>
#include <mutex>

#include "base/LockOrder.h"
#include "base/ThreadSafety.h"

namespace Passenger {

/**
 * A std::mutex with annotations for the compiler's thread-safety analysis. It has a name and a
 * place in the order of locks, which development builds check. Taken by LockGuard only.
 */
class CAPABILITY("mutex") Mutex {
public:
    explicit constexpr Mutex(const LockRank &rank) noexcept : order_(rank) {}

private:
    friend class LockGuard;
    std::mutex mutex_;
    [[no_unique_address]] const LockOrder order_;
};

/** Holds a Mutex for a scope. */
class SCOPED_CAPABILITY LockGuard {
public:
    explicit LockGuard(Mutex &mutex) ACQUIRE(mutex) : mutex_(mutex), lock_(mutex.mutex_, std::defer_lock) {
        mutex_.order_.taking();
        lock_.lock();
    }
    /** The order is told before the unlock: a thread that gets the mutex next may destroy it. */
    ~LockGuard() RELEASE() { mutex_.order_.givingUp(); }
    LockGuard(const LockGuard &) = delete;
    LockGuard &operator=(const LockGuard &) = delete;

    /** Unlocks the mutex while waiting. The caller checks its condition again afterwards. */
    void wait(std::condition_variable &condition) {
        mutex_.order_.givingUp();
        condition.wait(lock_);
        mutex_.order_.taking();
    }
    template <typename TimePoint> bool waitUntil(std::condition_variable &condition, TimePoint deadline) {
        mutex_.order_.givingUp();
        const std::cv_status status = condition.wait_until(lock_, deadline);
        mutex_.order_.taking();
        return status == std::cv_status::no_timeout;
    }

private:
    Mutex &mutex_;
    std::unique_lock<std::mutex> lock_;
};

}  // namespace Passenger
