#pragma once

#include <string>
#include <vector>

namespace Passenger {

struct SpareLimits {
    /** The number to start if there is no worker. */
    unsigned start = 5;
    /** Limits for free workers. */
    unsigned minSpare = 1;
    unsigned maxSpare = 2;
    /** The limit for all workers. */
    unsigned maxClients = 50;

    friend bool operator==(const SpareLimits &, const SpareLimits &) = default;
};

/** The numbers of workers. Workers that were told to end do not count. */
struct SpareCounts {
    unsigned free = 0;
    unsigned busy = 0;
    /** Started, but not ready yet. */
    unsigned starting = 0;
};

/**
 * The number of workers to start now, and the number of free workers to end, the oldest first. At
 * least one of them is 0.
 */
struct SpareDecision {
    unsigned start = 0;
    unsigned stop = 0;

    friend bool operator==(const SpareDecision &, const SpareDecision &) = default;
};

/**
 * Corrects limits that are 0 or contradict each other.
 * @return for each change a sentence for the log, with the name, the old value and the new one
 */
std::vector<std::string> normalize(SpareLimits &limits);

/**
 * Decides how many workers to start or to end. Pure. Without any worker, `start` workers start. If
 * fewer than `minSpare` are free or starting, the missing ones start. Free workers above `maxSpare`
 * end, and free workers while all are more than `maxClients`. Busy workers are never ended, and
 * there are never more than `maxClients`.
 *
 * Limits that were not normalized are safe: the decision never both starts and ends workers.
 */
SpareDecision decideSpares(const SpareLimits &limits, const SpareCounts &counts);

}  // namespace Passenger
