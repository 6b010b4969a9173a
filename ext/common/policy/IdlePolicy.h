#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "base/Clock.h"

namespace Passenger {

/**
 * How many instances of a group were not needed: idle ones are woken in turn, so that all look used; what counts is how many requests
 * were in flight at once. A window over the idle time of the most at once. Pure, but for what it remembers; not thread-safe.
 */
class IdlePolicy {
public:
    /** Notes the most that was in flight at once since the last call. */
    void note(MonotonicTime now, unsigned peak, std::chrono::nanoseconds idleTime);
    /** The window begins anew, since an instance has come. */
    void restart(MonotonicTime now);
    /** The most at once within the window; nothing: it is not over yet since it began anew. */
    std::optional<unsigned> peak(MonotonicTime now, std::chrono::nanoseconds idleTime) const;
    /** How many may go. @param threads requests that one instance can run at once */
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
