#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/StrongId.h"
#include "pool/CellRange.h"
#include "shm/Claims.h"
#include "shm/Layouts.h"

namespace Passenger {

/** The requests that an instance claims to have answered. The numbers may be false. */
struct AnsweredRequests {
    std::uint64_t count = 0;
    /** When the last of them ended, nanoseconds of CLOCK_MONOTONIC; 0: none has. */
    std::uint64_t last = 0;
};

/**
 * The cells in the claims of an application: which of them instances have, and what the instances
 * have written into them.
 *
 * Owned by the ApplicationQueue; guarded by the pool's lock. Nothing in it waits.
 */
class ClaimCells {
public:
    Claims &claims() noexcept { return claims_; }
    const Claims &claims() const noexcept { return claims_; }

    /** Allocates free cells. Nothing: there are not so many in a row. */
    std::optional<CellRange> allocate(std::uint32_t count);
    /**
     * The same for an instance that wants this number of cells and needs at least `atLeast`. It
     * gets at most an eighth of the free cells, so that other instances find some.
     */
    std::optional<CellRange> allocate(std::uint32_t wanted, std::uint32_t atLeast);
    /** Clears the cells and frees them. Only after the claims of a dead owner were dealt with. */
    void free(const CellRange &cells);
    /** Clears the free cells. An instance can write outside of its own cells. No death would ever
     *  end such a claim, nor the wait for its answer. */
    void clearStrayClaims();

    std::vector<std::pair<ChannelId, Ticket>> claimed(const CellRange &cells) const;
    bool holds(const CellRange &cells, ChannelId channel, Ticket ticket) const;
    /** The number of requests that the owner of the cells has taken. */
    unsigned taken(const CellRange &cells) const;
    /** Reads all cells, so it is too slow for the path of requests. */
    AnsweredRequests answered(const CellRange &cells) const;

private:
    Claims claims_;
    std::vector<bool> used_ = std::vector<bool>(ClaimsLayout::CELLS);
};

}  // namespace Passenger
