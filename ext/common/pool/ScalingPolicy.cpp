#include "pool/ScalingPolicy.h"

#include <algorithm>

namespace Passenger {

unsigned instancesToStart(const ScalingSnapshot &snapshot) {
    const unsigned have = snapshot.instances + snapshot.starting;
    const unsigned threads = std::max(snapshot.threads, 1U);
    const unsigned forRequests = (snapshot.inFlight + threads - 1) / threads;
    unsigned wanted = std::max(forRequests, snapshot.used ? snapshot.minInstances : 0);
    if (snapshot.maxInstances > 0) {
        wanted = std::min(wanted, snapshot.maxInstances);
    }
    return wanted > have ? wanted - have : 0;
}

}  // namespace Passenger
