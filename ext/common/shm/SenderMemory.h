#pragma once

#include <cstdint>

#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * The marks of a Group ("tickets up to this are withdrawn") with its children's in-flight counts and statistics, agent's side. Written by
 * children, so nothing in it is believed beyond what children may decide: how many instances their requests could use. Not thread-safe.
 */
class SenderMemory {
public:
    SenderMemory();
    const SharedMemory &memory() const noexcept {
        return memory_;
    }
    /** Requests in flight: the sum over the first `childSlots` children. */
    unsigned inFlight(std::uint32_t childSlots) const;
    /** The most that was in flight at once since the last call. */
    unsigned takePeak(std::uint32_t childSlots);
    /** The same without beginning anew. */
    unsigned peak() const;
    bool wanted() const;
    /** Children wake the agent again from now on when they find all instances taken. */
    void clearWanted();
    /** What was counted by the first `childSlots` children, and by those that are gone. */
    GroupStatistics statistics(std::uint32_t childSlots) const;
    /** A child is gone: nothing of it is in flight any more, and what it has counted is kept here. */
    void forgetChild(std::uint32_t childSlot);
    /** For a channel that is gone. */
    void withdrawAll(ChannelId channel);
    /** For a channel that is new in its slot: whoever still has a request of the one before it must not run it. */
    void reset(ChannelId channel);

private:
    SharedMemory memory_;
    /** Of children that are gone. */
    GroupStatistics gone_;
};

}  // namespace Passenger
