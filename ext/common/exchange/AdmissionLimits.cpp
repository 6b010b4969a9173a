#include "exchange/AdmissionLimits.h"

#include <algorithm>
#include <limits>

namespace Passenger {

namespace {

/** What requests of low priority have of the queue and of the target, and of the threads. */
constexpr unsigned LOW_QUEUE_DIVISOR = 4;
constexpr unsigned LOW_THREADS_DIVISOR = 2;
/** The part of the queue that those of high priority have besides. */
constexpr unsigned HIGH_QUEUE_DIVISOR = 4;
constexpr unsigned HIGH_TARGET_FACTOR = 2;

/** A limit stays one. */
template <typename Limit> Limit part(Limit limit, unsigned divisor) noexcept {
    return limit == Limit(0) ? limit : std::max(limit / divisor, Limit(1));
}

}  // namespace

AdmissionLimits AdmissionLimits::of(const Options &options, Priority priority, unsigned maxStreams) noexcept {
    const unsigned size = options.maxQueueSize;
    const unsigned inFlight = options.request.maxInFlight;
    const std::chrono::milliseconds target = options.queueTarget;
    switch (priority) {
        case Priority::LOW:
            return {part(size, LOW_QUEUE_DIVISOR), part(inFlight, LOW_THREADS_DIVISOR),
                    part(maxStreams, LOW_THREADS_DIVISOR), part(target, LOW_QUEUE_DIVISOR)};
        case Priority::HIGH:
            return {std::min(std::numeric_limits<unsigned>::max() - part(size, HIGH_QUEUE_DIVISOR), size) +
                        part(size, HIGH_QUEUE_DIVISOR),
                    inFlight, maxStreams, target * HIGH_TARGET_FACTOR};
        case Priority::NORMAL: break;
    }
    return {size, inFlight, maxStreams, target};
}

}  // namespace Passenger
