#include "policy/ScalingPolicy.h"

#include <algorithm>

namespace Passenger {

namespace {

using std::chrono::nanoseconds;

/** The limit of patience(), however long answers take. */
constexpr nanoseconds LONGEST_PATIENCE = std::chrono::seconds(1);
/**
 * If no core is free, an instance is still started when a request waits TOO_LONG_FACTOR times as
 * long as an answer takes. The instances then wait for other things than the processor, or one
 * request holds them all.
 */
constexpr int TOO_LONG_FACTOR = 4;
constexpr nanoseconds TOO_LONG_AT_LEAST = std::chrono::seconds(1);

unsigned instancesFor(unsigned requests, unsigned threads) {
    return (requests + threads - 1) / threads;
}

bool waitsTooLong(const ScalingSnapshot &snapshot) {
    return snapshot.headAge > std::max(TOO_LONG_FACTOR * snapshot.serviceTime, TOO_LONG_AT_LEAST);
}

/** The number of instances to add for the requests in the queue. */
unsigned forTheQueue(const ScalingSnapshot &snapshot) {
    if (snapshot.waiting == 0) {
        return 0;
    }
    const unsigned all = instancesFor(snapshot.waiting, std::max(snapshot.threads, 1U));
    if (snapshot.serving == 0) {
        return std::max(all, snapshot.startInstances);
    }
    if (snapshot.headAge < patience(snapshot)) {
        return 0;
    }
    if (snapshot.idleCores >= 1) {
        return std::min(all, static_cast<unsigned>(snapshot.idleCores));
    }
    return waitsTooLong(snapshot) ? 1 : 0;
}

}  // namespace

nanoseconds patience(const ScalingSnapshot &snapshot) {
    return std::min(snapshot.serviceTime, LONGEST_PATIENCE);
}

unsigned instancesToStart(const ScalingSnapshot &snapshot) {
    unsigned wanted = snapshot.serving + forTheQueue(snapshot);
    wanted = std::max(wanted, snapshot.restoreTo);
    if (snapshot.used) {
        wanted = std::max(wanted, snapshot.minInstances);
    }
    if (snapshot.maxInstances > 0) {
        const unsigned room = snapshot.maxInstances - std::min(snapshot.others, snapshot.maxInstances);
        wanted = std::min(wanted, room);
    }
    const unsigned have = snapshot.serving + snapshot.starting;
    const unsigned missing = wanted > have ? wanted - have : 0;
    // A start needs a core too. More starts at once than cores would make each start slower.
    const unsigned atOnce = snapshot.oneByOne ? 1 : std::max(snapshot.cores, 2U);
    return std::min(missing, atOnce - std::min(snapshot.starting, atOnce));
}

}  // namespace Passenger
