#include "exchange/AdmissionLimits.h"

#include <algorithm>
#include <limits>

namespace Passenger {

namespace {

constexpr unsigned QUARTER = 4;
constexpr unsigned HALF = 2;
constexpr unsigned TWICE = 2;

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
            return {part(size, QUARTER), part(inFlight, HALF), part(maxStreams, HALF), part(target, QUARTER)};
        case Priority::HIGH:
            return {std::min(std::numeric_limits<unsigned>::max() - part(size, QUARTER), size) + part(size, QUARTER),
                    inFlight, maxStreams, target * TWICE};
        case Priority::NORMAL: break;
    }
    return {size, inFlight, maxStreams, target};
}

}  // namespace Passenger
