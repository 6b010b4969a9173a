#include "exchange/QueueLimits.h"

#include <algorithm>
#include <limits>

namespace Passenger {

namespace {

constexpr unsigned QUARTER = 4;
constexpr unsigned HALF = 2;
constexpr unsigned TWICE = 2;

/** A limit stays one. */
unsigned part(unsigned limit, unsigned of) noexcept {
    return limit == 0 ? 0 : std::max(limit / of, 1U);
}

}  // namespace

QueueLimits QueueLimits::of(const Options &options) noexcept {
    return {options.maxQueueSize,
            options.maxQueueTime,
            options.request.maxInFlight,
            options.maxRequestTime,
            std::chrono::milliseconds(options.slowRequestTime),
            std::chrono::milliseconds(options.queueTarget),
            options.request.priority,
            options.hasPriorityQueue()};
}

QueueLimits QueueLimits::forPriority(Priority which) const noexcept {
    QueueLimits limits = *this;
    limits.priority = which;
    if (which == Priority::LOW) {
        limits.size = part(size, QUARTER);
        limits.inFlight = part(inFlight, HALF);
        limits.target = std::chrono::milliseconds(part(static_cast<unsigned>(target.count()), QUARTER));
    } else if (which == Priority::HIGH) {
        limits.size = std::min(std::numeric_limits<unsigned>::max() - part(size, QUARTER), size) + part(size, QUARTER);
        limits.target *= TWICE;
    }
    return limits;
}

}  // namespace Passenger
