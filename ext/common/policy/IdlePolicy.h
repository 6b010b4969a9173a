#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "base/Clock.h"

namespace Passenger {

/**
 * Decides how many instances of a group are not needed. Idle instances get requests in turn, so
 * each of them looks used. Therefore the policy uses the most requests in flight at once, in a
 * window of the idle time (PassengerPoolIdleTime). Not thread-safe; all times are passed in.
 */
class IdlePolicy {
public:
    /** Records the most requests in flight at once since the last call. */
    void note(MonotonicTime now, unsigned peak, std::chrono::nanoseconds idleTime);
    /** Starts the window anew, because an instance was added. */
    void restart(MonotonicTime now);
    /**
     * The most requests at once in the window. Nothing until the window has lasted for `idleTime`.
     */
    std::optional<unsigned> peak(MonotonicTime now, std::chrono::nanoseconds idleTime) const;
    /**
     * The number of instances that may end.
     * @param threads requests that one instance can serve at once
     */
    unsigned surplus(MonotonicTime now, std::chrono::nanoseconds idleTime, unsigned instances, unsigned minInstances,
                     unsigned threads) const;

private:
    struct Sample {
        MonotonicTime time;
        unsigned peak;
    };
    std::deque<Sample> samples_;
    MonotonicTime since_{};
};

}  // namespace Passenger
