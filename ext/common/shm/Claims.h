#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * The claims of a Group: what each thread of its instances has taken, for the case that one dies (doc/PROTOCOLS.md, section 2).
 *
 * This is the agent's side: it makes the file, gives cells out, and reads and clears them by system call, since what instances write is
 * not trusted and no root process maps it. Not thread-safe; guarded by the pool's lock.
 */
class Claims {
public:
    /** @throws SystemException */
    Claims();
    const SharedMemory &memory() const noexcept {
        return memory_;
    }
    /** What the cell holds; nothing when it is free. */
    std::optional<ClaimCell> read(std::uint32_t cell) const;
    std::vector<ClaimCell> all() const;
    /** Whether any cell holds this ticket. */
    bool holds(ChannelId channel, Ticket ticket) const;
    /** How many cells are taken by the living. */
    unsigned taken() const;
    void clear(std::uint32_t cell);
    /** Its owner died, and the claim has to tell the child so (ClaimsLayout::DIED). */
    void noteDeath(std::uint32_t cell);

private:
    SharedMemory memory_;
};

}  // namespace Passenger
