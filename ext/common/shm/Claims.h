#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/StrongId.h"
#include "shm/ClaimsWriter.h"
#include "shm/Layouts.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * The claims of a Group, which say what request each thread of its instances has taken. The agent
 * needs them when an instance dies (doc/PROTOCOLS.md, section 2).
 *
 * Owned by the agent, which makes the file. The agent reads cells by system call, and writes them
 * by a ClaimsWriter. Guarded by the pool's lock.
 */
class Claims {
public:
    /** @throws SystemException */
    Claims();
    const SharedMemory &memory() const noexcept { return memory_; }
    /** Nothing when the cell is free. */
    std::optional<ClaimCell> read(std::uint32_t cell) const;
    std::vector<ClaimCell> read(std::uint32_t first, std::uint32_t count) const;
    /** All that are looked at, which were ever used. */
    std::vector<ClaimCell> all() const;
    /** Children look at the cells before `end` from now on. 0: they look at the same cells as
     *  before, also if an instance has written into the header. */
    void use(std::uint32_t end);
    bool holds(ChannelId channel, Ticket ticket) const;
    /** How many cells hold claims of instances that live. */
    unsigned taken() const;
    /** The cells are as new: without claims and counts. */
    void clear(std::uint32_t cell, std::uint32_t count = 1);
    /** The owner of the cell died, and the child learns so from the claim (ClaimsLayout::DIED).
     *  @param killed by the agent */
    void noteDeath(std::uint32_t cell, bool killed);

private:
    SharedMemory memory_;
    ClaimsWriter writer_;
    /** Cells from the first one on that are looked at. A look reads all of them, and most
     *  applications have a few threads. */
    std::uint32_t used_ = 64;
};

}  // namespace Passenger
