#pragma once

#include <chrono>
#include <optional>

#include "base/Clock.h"
#include "policy/ForkDelay.h"
#include "policy/SparePolicy.h"
#include "policy/SurplusWindow.h"

namespace Passenger {

/**
 * Says how many workers are to start and to end now. SparePolicy decides how many are missing or
 * surplus. A surplus must last for a time; after failures the next start is delayed. Not
 * thread-safe; the monitor owns it and uses it on its loop.
 */
class SpareControl {
public:
    explicit SpareControl(std::chrono::milliseconds surplusTime) : surplus_(surplusTime) {}

    void setSurplusTime(std::chrono::milliseconds time) noexcept { surplus_.setLength(time); }
    /** A worker could not be started, or was not ready in time, or died before it was ready. */
    void startFailed(MonotonicTime now) noexcept { delay_.failed(now); }
    /** A worker died that was ready. @param proven it had been busy and then free again */
    void died(MonotonicTime now, std::chrono::nanoseconds life, bool proven) noexcept {
        delay_.died(now, proven ? ForkDelay::LONG_LIFE : life);
    }
    /** The causes of failures may be gone: starts are not delayed. */
    void forgetFailures() noexcept { delay_.reset(); }
    /** How many free workers end now. The caller ends them. */
    unsigned surplus(const SpareLimits &limits, const SpareCounts &counts, MonotonicTime now);
    /** How many workers start now, as long as startAllowed(). After failures one at a time. */
    unsigned missing(const SpareLimits &limits, const SpareCounts &counts, MonotonicTime now) const;
    bool startAllowed(MonotonicTime now) const noexcept { return now >= delay_.notBefore(); }
    /** After the starts: remembers the time of the next one if workers are still missing. */
    void planStart(const SpareLimits &limits, const SpareCounts &counts, MonotonicTime now);
    /** When a surplus has lasted for its time, or when a delayed start is allowed. */
    std::optional<MonotonicTime> nextDue() const;

private:
    ForkDelay delay_;
    SurplusWindow surplus_;
    std::optional<MonotonicTime> startTime_;
};

}  // namespace Passenger
