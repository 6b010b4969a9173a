#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/Clock.h"

namespace Passenger {

/** An application that requests an instance in a full pool. */
struct RoomRequest {
    unsigned serving = 0;
    unsigned minInstances = 0;
    /**
     * The time since which its oldest request waits. None: the application requests a spare
     * instance.
     */
    std::optional<MonotonicTime> oldestWaiter;
    /** Busy instances that end for it are enough, but do not end soon. */
    bool onlyIdle = false;
};

/** An application that may give up an instance. */
struct RoomCandidate {
    unsigned serving = 0;
    unsigned minInstances = 0;
    bool idle = false;
    std::optional<MonotonicTime> oldestWaiter;
    /** Whether the instance to give up is busy with requests that only wait. */
    bool onlyWaits = false;
    /** Requests would fail without the instance to give up: the application's next one is of a
     *  version that did not start. */
    bool irreplaceable = false;
    /** The last time at which it needed all its instances. */
    MonotonicTime lastNeeded{};
    /** The time at which the instance to give up began to serve. */
    MonotonicTime servingSince{};
};

/**
 * Chooses the application that gives up an instance in a full pool. None: the request has to wait.
 * Pure. In this order:
 * 1. An application with an idle instance above its minimum; of several, the one that has not
 *    needed all its instances for the longest time. A spare instance above the requesting
 *    application's minimum is not granted: two applications would take it from each other forever.
 * 2. For an application with a waiting request and no instance: any idle instance, in the same
 *    order.
 * 3. A busy application whose instance has served for a second; the one that has served longest
 *    ends after its requests. The candidate has at least two instances more than the requesting
 *    application. For an application without instances, a candidate without an older waiting
 *    request is enough. A candidate whose instance only waits is enough, too: that instance takes
 *    no request from its queue.
 * 4. For requests, an irreplaceable instance, by the same rules, which pass over it before. Beside
 *    busy instances that end for it, a request takes an irreplaceable one after three seconds.
 *
 * So waiting applications take turns by the age of their oldest request, and none starves.
 */
std::optional<std::size_t> chooseVictim(const RoomRequest &request, const std::vector<RoomCandidate> &candidates,
                                        MonotonicTime now);

/**
 * Chooses the application that gives up an idle instance after the pool's limit was lowered. None:
 * all instances are busy. Pure. Applications above their minimum come first; then the one that has
 * not needed all its instances for the longest time. Irreplaceable instances come last.
 */
std::optional<std::size_t> chooseSurplus(const std::vector<RoomCandidate> &candidates);

}  // namespace Passenger
