#pragma once

#include <chrono>

#include "exchange/Options.h"
#include "exchange/Priority.h"

namespace Passenger {

/** How many requests may wait in the application's queue, and for how long. Zero: no limit. */
struct QueueLimits {
    unsigned size = 0;
    std::chrono::milliseconds time{0};
    /** See RequestOptions::maxInFlight. */
    unsigned inFlight = 0;
    /** See Options::maxRequestTime. */
    std::chrono::milliseconds work{0};
    /** See Options::slowRequestTime. It is no limit: the request goes on. */
    std::chrono::milliseconds slow{0};
    /** See Options::queueTarget. */
    std::chrono::milliseconds target{0};
    /** The priority of the request. */
    Priority priority = Priority::NORMAL;
    /** See Options::hasPriorityQueue(). */
    bool priorityQueue = false;

    /** Instances take the request before others that have waited for longer. */
    bool overtakes() const noexcept {
        return priorityQueue && priority == Priority::HIGH;
    }

    static QueueLimits of(const Options &options) noexcept;

    /**
     * The size, the requests in flight and the target by which a request of a priority
     * (PassengerPriority) is admitted. LOW: a quarter of the size and of the target, and half of
     * the requests in flight. HIGH: a quarter more for the size, and twice the target.
     */
    QueueLimits forPriority(Priority which) const noexcept;
};

}  // namespace Passenger
