#include "policy/IdlePolicy.h"

#include <algorithm>

namespace Passenger {

void IdlePolicy::note(MonotonicTime now, unsigned peak, std::chrono::nanoseconds idleTime) {
    // The samples have decreasing peaks. A sample before a younger one of an equal or higher peak
    // cannot be the maximum any more.
    while (!samples_.empty() && samples_.back().peak <= peak) {
        samples_.pop_back();
    }
    samples_.push_back({now, peak});
    while (samples_.front().time + idleTime < now) {
        samples_.pop_front();
    }
}

void IdlePolicy::restart(MonotonicTime now) {
    since_ = now;
}

std::optional<unsigned> IdlePolicy::peak(MonotonicTime now, std::chrono::nanoseconds idleTime) const {
    if (now - since_ < idleTime) {
        return std::nullopt;
    }
    return samples_.empty() ? 0 : samples_.front().peak;
}

unsigned IdlePolicy::surplus(MonotonicTime now, std::chrono::nanoseconds idleTime, unsigned instances,
                             unsigned minInstances, unsigned threads) const {
    const std::optional<unsigned> most = peak(now, idleTime);
    if (idleTime == std::chrono::nanoseconds(0) || !most) {
        return 0;
    }
    const unsigned each = std::max(threads, 1U);
    const unsigned needed = std::max((*most + each - 1) / each, minInstances);
    return instances > needed ? instances - needed : 0;
}

}  // namespace Passenger
