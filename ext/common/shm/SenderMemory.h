#pragma once

#include <cstdint>

#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * The agent's side of the memory that a Group's senders write. It has withdrawal marks ("tickets up
 * to this one are withdrawn"), in-flight counts, also by FairnessKey, and statistics.
 *
 * Children write it, so the agent lets it decide only how many instances their requests could use.
 * Owned by the Group's queue; not thread-safe.
 */
class SenderMemory {
public:
    SenderMemory();
    const SharedMemory &memory() const noexcept { return memory_; }
    /** Requests in flight of the first `childSlots` children. */
    unsigned inFlight(std::uint32_t childSlots) const;
    /** The most requests in flight at once since the last call. */
    unsigned takePeak(std::uint32_t childSlots);
    /** The peak since the last takePeak(). The next takePeak() still counts from the last one. */
    unsigned peak() const;
    bool wanted() const;
    /** From now on a child that finds all instances taken wakes the agent again. */
    void clearWanted();
    /** The counts of the first `childSlots` children and of all children that are gone. */
    GroupStatistics statistics(std::uint32_t childSlots) const;
    /** A child is gone: none of its requests is in flight, of any key. Its statistics are kept
     *  here. */
    void forgetChild(std::uint32_t childSlot);
    /** For a channel whose requests the agent sends itself. */
    void withdraw(ChannelId channel, Ticket ticket);
    /** For a channel that is gone. */
    void withdrawAll(ChannelId channel);
    /** For a channel that is new in its slot; withdraws requests of the slot's earlier channel. */
    void reset(ChannelId channel);

private:
    SharedMemory memory_;
    /** The counts of children that are gone. */
    GroupStatistics gone_;
};

}  // namespace Passenger
