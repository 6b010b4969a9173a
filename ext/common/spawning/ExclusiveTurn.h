#pragma once

#include <chrono>
#include <condition_variable>
#include <utility>

#include "base/Mutex.h"

namespace Passenger {

/**
 * Lets one thread through at a time, for as long as it likes; the others wait, in no order. Unlike a lock it may be held while
 * something slow happens, and nobody waits for it beyond a deadline.
 *
 * Thread-safe. Waits, so for background threads only.
 */
class ExclusiveTurn {
public:
    /** Having the turn, until destroyed. */
    class Turn {
    public:
        /** Waits for it. @throws TimeoutException */
        Turn(ExclusiveTurn &exclusive, std::chrono::steady_clock::time_point deadline);
        Turn(Turn &&other) noexcept : exclusive_(std::exchange(other.exclusive_, nullptr)) {}
        Turn &operator=(Turn &&) = delete;
        ~Turn();

    private:
        ExclusiveTurn *exclusive_;
    };

private:
    Mutex mutex_{Locks::EXCLUSIVE_TURN};
    std::condition_variable turnEnded_;
    /** Somebody has the turn. */
    bool busy_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger
