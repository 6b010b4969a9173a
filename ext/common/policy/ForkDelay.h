#pragma once

#include <chrono>

#include "base/Clock.h"

namespace Passenger {

/**
 * When the next worker may be started: at once, as long as workers live for a while; later and later when they die young, or cannot be started,
 * again and again, so that what always fails is not tried as fast as the machine can. Pure, but for what it remembers; not thread-safe.
 */
class ForkDelay {
public:
    /** Who lived this long did not die of its start. */
    static constexpr std::chrono::seconds LONG_LIFE{2};
    /** So many in a row that were ready, and then died young, are replaced at once. */
    static constexpr unsigned FREE_DEATHS = 3;
    static constexpr std::chrono::milliseconds FIRST{100};
    static constexpr std::chrono::milliseconds LONGEST{10000};
    /** Failures that are so far apart have nothing to do with each other. */
    static constexpr std::chrono::seconds FORGET{60};

    /** A worker could not be started, or died before its first sign. Of several that were begun together, the first one counts. */
    void failed(MonotonicTime now) noexcept;
    /** One that was ready died, and nobody had told it to. */
    void died(MonotonicTime now, std::chrono::nanoseconds life) noexcept;
    /** Whether the last ones failed: the next one is to be the only one at its time. */
    bool failing(MonotonicTime now) const noexcept {
        return failures_ > FREE_DEATHS && now - last_ <= FORGET;
    }
    /** When the next one may be started; in the past: at once. */
    MonotonicTime notBefore() const noexcept {
        return notBefore_;
    }

private:
    void count(MonotonicTime now) noexcept;

    unsigned failures_ = 0;
    MonotonicTime last_{};
    MonotonicTime notBefore_{};
};

}  // namespace Passenger
