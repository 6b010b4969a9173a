#pragma once

#include <chrono>

#include "base/Clock.h"

namespace Passenger {

/**
 * Decides when the next worker may be started. Workers that live long enough are replaced at once.
 * If workers repeatedly die young or do not start, the delays grow, so that failing workers do not
 * use the whole machine. Not thread-safe; all times are passed in.
 */
class ForkDelay {
public:
    /** The death of a worker of this age is not caused by its start. */
    static constexpr std::chrono::seconds LONG_LIFE{2};
    /** The number of early deaths in a row, of workers that were ready, that cause no delay. */
    static constexpr unsigned FREE_DEATHS = 3;
    static constexpr std::chrono::milliseconds FIRST{100};
    static constexpr std::chrono::milliseconds LONGEST{10000};
    /** Failures with a longer time between them are unrelated. */
    static constexpr std::chrono::seconds FORGET{60};

    /**
     * A worker could not be started, or died before it was ready. If several began together, only
     * the first failure counts.
     */
    void failed(MonotonicTime now) noexcept;
    /** A ready worker died without an order. */
    void died(MonotonicTime now, std::chrono::nanoseconds life) noexcept;
    /** The next worker may not fail like those before. */
    void reset() noexcept { *this = ForkDelay(); }
    /** Whether the last workers failed. The caller then starts one worker at a time. */
    bool failing(MonotonicTime now) const noexcept { return failures_ > FREE_DEATHS && now - last_ <= FORGET; }
    /** The time of the next start; a time in the past means at once. */
    MonotonicTime notBefore() const noexcept { return notBefore_; }

private:
    void count(MonotonicTime now) noexcept;

    unsigned failures_ = 0;
    MonotonicTime last_{};
    MonotonicTime notBefore_{};
};

}  // namespace Passenger
