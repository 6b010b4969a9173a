#pragma once

#include <chrono>
#include <condition_variable>
#include <utility>

#include "base/Mutex.h"

namespace Passenger {

/**
 * Admits one thread at a time; the others wait, in no order. Unlike a lock, a turn may last for
 * slow operations, and threads wait for it until a deadline only.
 *
 * Thread-safe. Blocks, so only background threads use it.
 */
class ExclusiveTurn {
public:
    /** A thread's turn; lasts until it is destroyed. */
    class Turn {
    public:
        /** Waits for the turn. @throws TimeoutException */
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
    /** A thread has the turn. */
    bool busy_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger
