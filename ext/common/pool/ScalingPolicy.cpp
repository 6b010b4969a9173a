#include "pool/ScalingPolicy.h"

#include <algorithm>

namespace Passenger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/** Requests that take so many times as long as is typical do not share the processor: they hold their instance. */
constexpr int STUCK_FACTOR = 10;
constexpr nanoseconds STUCK_AT_LEAST = milliseconds(100);

unsigned instancesFor(unsigned requests, unsigned threads) {
    return (requests + threads - 1) / threads;
}

bool stuck(const ScalingSnapshot &snapshot) {
    const nanoseconds limit = std::max(STUCK_FACTOR * snapshot.serviceTime, STUCK_AT_LEAST);
    return snapshot.headAge > limit && snapshot.sinceProgress > limit;
}

/** Instances for what waits. */
unsigned forTheLine(const ScalingSnapshot &snapshot) {
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
    return stuck(snapshot) ? 1 : 0;
}

}  // namespace

nanoseconds patience(const ScalingSnapshot &snapshot) {
    return snapshot.serviceTime;
}

unsigned instancesToStart(const ScalingSnapshot &snapshot) {
    unsigned wanted = snapshot.serving + forTheLine(snapshot);
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
    // Starting is work too: more at once than there are cores would only make each of them slower.
    const unsigned atOnce = std::max(snapshot.cores, 2U);
    return std::min(missing, atOnce - std::min(snapshot.starting, atOnce));
}

}  // namespace Passenger
