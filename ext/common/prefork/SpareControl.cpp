#include "prefork/SpareControl.h"

#include <algorithm>

namespace Passenger {

unsigned SpareControl::surplus(const SpareLimits &limits, const SpareCounts &counts, MonotonicTime now) {
    surplus_.note(decideSpares(limits, counts).stop, now);
    return surplus_.take(now);
}

unsigned SpareControl::missing(const SpareLimits &limits, const SpareCounts &counts, MonotonicTime now) const {
    const unsigned missing = decideSpares(limits, counts).start;
    if (!delay_.failing(now)) {
        return missing;
    }
    return counts.starting > 0 ? 0 : std::min(missing, 1U);
}

void SpareControl::planStart(const SpareLimits &limits, const SpareCounts &counts, MonotonicTime now) {
    startTime_.reset();
    if (!startAllowed(now) && decideSpares(limits, counts).start > 0) {
        startTime_ = delay_.notBefore();
    }
}

std::optional<MonotonicTime> SpareControl::nextDue() const {
    const auto surplus = surplus_.nextDue();
    return surplus && (!startTime_ || *surplus < *startTime_) ? surplus : startTime_;
}

}  // namespace Passenger
