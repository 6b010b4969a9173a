#pragma once

#include <chrono>

#include "exchange/Options.h"

namespace Passenger {

/** The limits by which a request of a priority is admitted to its application's queue. Zero: no
 *  limit. */
struct AdmissionLimits {
    /** Of Options::maxQueueSize. */
    unsigned size = 0;
    /** Of RequestOptions::maxInFlight. */
    unsigned inFlight = 0;
    /** Of HttpdThreads::maxStreams. */
    unsigned streams = 0;
    /** Of Options::queueTarget. */
    std::chrono::milliseconds target{0};

    /**
     * PassengerPriority low: a quarter of the size and of the target, and half of the requests in
     * flight. High: a quarter more for the size, and twice the target.
     * @param maxStreams HttpdThreads::maxStreams
     */
    static AdmissionLimits of(const Options &options, Priority priority, unsigned maxStreams) noexcept;
};

}  // namespace Passenger
