#pragma once

#include <string>
#include <vector>

namespace Passenger {

/** How many workers there are to be. */
struct SpareLimits {
    /** When there are none at all. */
    unsigned start = 5;
    /** Free ones, at least and at most. */
    unsigned minSpare = 1;
    unsigned maxSpare = 2;
    /** All of them. */
    unsigned maxClients = 50;

    friend bool operator==(const SpareLimits &, const SpareLimits &) = default;
};

/** How many workers there are. Those that were told to end do not count. */
struct SpareCounts {
    unsigned free = 0;
    unsigned busy = 0;
    /** On their way: nobody knows yet whether they will be of use. */
    unsigned starting = 0;
};

/** How many to start now, and how many of the free ones to end, the oldest first. Never both. */
struct SpareDecision {
    unsigned start = 0;
    unsigned stop = 0;

    friend bool operator==(const SpareDecision &, const SpareDecision &) = default;
};

/** Mends limits that make no sense together: nobody at all, fewer spare ones than spare ones, more than there may be.
 *  @return for each change a sentence for the log, with the name, the value and what is taken instead */
std::vector<std::string> normalize(SpareLimits &limits);

/**
 * What there is to do: where there is nobody, `start` workers are started; where fewer than `minSpare` are free or starting, as many as are missing;
 * of more than `maxSpare` free ones, or of more than `maxClients` workers, the surplus ends. Busy ones are never ended, and never are there
 * more than `maxClients`. Pure; limits that were not normalized do no harm: what would begin and end the same worker starts nothing.
 */
SpareDecision decideSpares(const SpareLimits &limits, const SpareCounts &counts);

}  // namespace Passenger
