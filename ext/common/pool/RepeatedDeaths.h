#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include "base/Clock.h"
#include "base/StrongId.h"

namespace Passenger {

/**
 * Tells the death of an instance by a request that was sent again from other deaths. A request
 * whose instance dies is sent again once, on the same reply channel under a later ticket. If the
 * next instance dies with that request, the request is the likely cause, and was counted once.
 *
 * Owned by Spawns; guarded by the pool's lock. All times are passed in. The claims are
 * untrusted: an application that lies in them delays its own back-off alone.
 */
class RepeatedDeaths {
public:
    /**
     * An instance died without an order.
     * @param claimed the requests that it had in work, and that are sent again
     * @param lastAnswer when the application last answered a request: what died before that is
     *        forgotten
     * @return whether an instance had died with one of these requests before
     */
    bool note(const std::vector<std::pair<ChannelId, Ticket>> &claimed, MonotonicTime now, MonotonicTime lastAnswer);

private:
    struct Lost {
        Ticket ticket;
        MonotonicTime when;
    };

    /** Requests with which one instance has died. A channel has one request at a time. */
    std::unordered_map<ChannelId, Lost> lost_;
};

}  // namespace Passenger
