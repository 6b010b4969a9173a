#pragma once

#include <atomic>
#include <chrono>

#include "base/Clock.h"
#include "base/SystemClock.h"

namespace Passenger {

/**
 * Decides whether the thread of a request polls for the answer for a moment before it sleeps. An
 * answer that finds the thread awake comes sooner by the time that a wake-up takes.
 *
 * Only an answer that comes within moments is worth it. So after each poll without an answer more
 * and more requests of the application do without, and after each answer fewer. KVM's halt polling
 * adapts likewise (Documentation/virt/kvm/halt-polling.rst of the kernel). Requests that are in
 * flight at once have work for the processors: after them the next ones do without.
 *
 * Owned by QueueCache: one for each application in each sending process. One thread polls at once.
 * Thread-safe.
 */
class BusyPolling {
public:
    /** The longest poll. */
    static constexpr std::chrono::microseconds LONGEST{50};
    /** A thread that is kept from its processor for longer ends its poll without an answer. */
    static constexpr std::chrono::microseconds LONGEST_PAUSE{15};
    /** So many requests do without a poll at most. */
    static constexpr unsigned MOST_SKIPPED = 1024;
    /** So many requests do without after two that were in flight at once. */
    static constexpr unsigned SKIPPED_AFTER_COMPANY = 32;

    /** A poll of the calling thread. Fails unless succeed() is called. */
    class Poll {
    public:
        /** A request has been sent. @param isAlone no other one of the application is in flight */
        Poll(BusyPolling &polling, bool isAlone) noexcept;
        ~Poll() { end(false); }
        Poll(const Poll &) = delete;
        Poll &operator=(const Poll &) = delete;

        /** Whether the thread should look once more. */
        bool goesOn() noexcept;
        /** The answer is there. */
        void succeed() noexcept { end(true); }

    private:
        void end(bool found) noexcept;

        /** Null: the thread does not poll any more. */
        BusyPolling *polling_;
        MonotonicTime begin_;
        MonotonicTime last_;
    };

    /** @param processors that this process may use all the time; with one, no thread polls */
    explicit BusyPolling(unsigned processors, const Clock &clock = SystemClock::instance()) noexcept
        : isUseful_(processors > 1), clock_(clock) {}

private:
    bool begin(bool isAlone) noexcept;
    void end(bool found) noexcept;

    const bool isUseful_;
    const Clock &clock_;
    /** A thread polls, or looks whether it should. */
    std::atomic_flag taken_;
    /** Requests that still do without. */
    std::atomic<unsigned> skip_{0};
    /** Requests that do without after the next failure. For the thread that has taken this. */
    unsigned penalty_ = 1;
};

}  // namespace Passenger
