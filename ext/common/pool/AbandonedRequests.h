#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/Clock.h"
#include "base/StrongId.h"
#include "pool/CellRange.h"
#include "shm/Claims.h"

namespace Passenger {

/**
 * The requests of an application that instances work at although their senders have given them up.
 * The client has left, or the sending process has ended. They are in no in-flight table, and take a
 * place of their instance until it clears the claim.
 *
 * Owned by the ApplicationQueue; guarded by the pool's lock. Nothing in it waits; all times are
 * passed in. The numbers are those of the claims at the moment of the call.
 */
class AbandonedRequests {
public:
    struct Request {
        std::uint32_t cell;
        ChannelId channel;
        Ticket ticket;
        /** When the sender gave the request up. */
        MonotonicTime since;
    };

    /** @param claims outlive this object */
    explicit AbandonedRequests(const Claims &claims) : claims_(claims) {}

    /** The senders of these channels are gone. @return whether an instance works at a request of
     *  one of them */
    bool note(const std::vector<ChannelId> &channels, MonotonicTime now);
    /** Forgets the requests that have ended. @return whether there were any */
    bool forgetEnded();

    /** The requests that instances work at. */
    std::vector<Request> all() const;
    unsigned count() const;
    unsigned count(const CellRange &cells) const;
    /** The time since which the oldest request in the cells is abandoned; nothing: there is
     *  none. */
    std::optional<MonotonicTime> oldest(const CellRange &cells) const;

private:
    bool isAtWork(const Request &request) const;

    const Claims &claims_;
    std::vector<Request> requests_;
};

}  // namespace Passenger
