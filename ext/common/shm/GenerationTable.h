#pragma once

#include <cstdint>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/Mapping.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * The agent's side of the generation table. For each Group it says which generation its queue has,
 * how many requests its instances can take, and whether it is paused. A child looks there for each
 * request and need not ask the agent. It also has the secret of FairnessKey.
 * Owned by the agent; not thread-safe.
 */
class GenerationTable {
public:
    /** @throws SystemException */
    GenerationTable();
    const SharedMemory &memory() const noexcept { return memory_; }
    /** @param generation zero: children have to ask the agent */
    void publish(std::uint32_t groupSlot, Generation generation, const InstanceCounts &instances);
    /** The queue is, or was, paused until then. MonotonicTime::max(): the end is open. */
    void publishPause(std::uint32_t groupSlot, MonotonicTime until);
    void setChildSlots(std::uint32_t count);
    /** Asks all children to close their idle reply channels, and wakes them for it. */
    void askForIdleChannels();

private:
    SharedMemory memory_;
    /** The futex needs an address. */
    Mapping header_;
};

}  // namespace Passenger
