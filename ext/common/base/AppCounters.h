#pragma once

#include <cstdint>

namespace Passenger {

/** What happened to an application since its Group was made. */
struct AppCounters {
    /** Requests that were answered whole. Those below were not. */
    std::uint64_t requests = 0;
    /** Requests that found the queue full, whose PassengerFairnessKey had its share, that waited
     *  too long, or whose client left. */
    std::uint64_t refused = 0;
    std::uint64_t overShare = 0;
    std::uint64_t timedOut = 0;
    std::uint64_t clientsLeft = 0;
    /** Requests whose instance died or sent a malformed answer, on which an instance worked for too
     *  long, or for which no instance started. */
    std::uint64_t lost = 0;
    std::uint64_t overran = 0;
    std::uint64_t notStarted = 0;
    std::uint64_t spawned = 0;
    std::uint64_t spawnsFailed = 0;
    /** Instances that were taken over from an earlier pool process. */
    std::uint64_t adopted = 0;
    std::uint64_t restarts = 0;
    std::uint64_t deploysFailed = 0;
    /** Instances that ended without having been told to. */
    std::uint64_t died = 0;
    /** Because of MaxRequests, the memory limit, a refork, or for a successor that needs the
     *  memory. */
    std::uint64_t replaced = 0;
    std::uint64_t reforked = 0;
    std::uint64_t reforksFailed = 0;
    /** For want of room or memory. */
    std::uint64_t evicted = 0;
    std::uint64_t idled = 0;
};

}  // namespace Passenger
