#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/Clock.h"

namespace Passenger {

/** An application that wants an instance in a full pool. */
struct RoomRequest {
    unsigned serving = 0;
    unsigned minInstances = 0;
    /** Since when its oldest request waits; none: it wants one in reserve. */
    std::optional<MonotonicTime> oldestWaiter;
};

/** An application that an instance could be taken from. */
struct RoomCandidate {
    unsigned serving = 0;
    unsigned minInstances = 0;
    /** Whether an instance of it has nothing to do. */
    bool idle = false;
    std::optional<MonotonicTime> oldestWaiter;
    /** When it last needed as many instances as it has. */
    MonotonicTime lastNeeded{};
    /** When the instance that would go began to serve. */
    MonotonicTime servingSince{};
};

/**
 * From whom a full pool takes an instance for the request; none: it has to wait. Pure. In this order:
 * 1. an idle instance that its application has over its minimum, of the application that has needed its instances least of late; not for one
 *    in reserve that is over who asks' own minimum, else two applications would take it from each other for ever;
 * 2. for an application that has no instance at all and a request that waits: any idle one, likewise;
 * 3. of an application that is busy too, once the instance has served for a moment, the instance that finishes its request next: from one
 *    that has at least two more than who asks, or, for one that has none, from any whose own oldest request is younger.
 * So applications that wait take turns by the age of their oldest request, and none starves.
 */
std::optional<std::size_t> chooseVictim(const RoomRequest &request, const std::vector<RoomCandidate> &candidates,
                                        MonotonicTime now);

/**
 * Who gives up an idle instance where there are more in the pool than its limit, since that was lowered; none: all of them work. Pure. One that
 * its application has over its minimum goes before others; then that of the application that has needed its instances least of late.
 */
std::optional<std::size_t> chooseSurplus(const std::vector<RoomCandidate> &candidates);

}  // namespace Passenger
