#pragma once

#include <chrono>
#include <cstdint>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/FairnessKey.h"
#include "shm/Layouts.h"
#include "shm/Mapping.h"

namespace Passenger {

/**
 * The GenerationTable as children see it: a read-only mapping. Owned by the process that sends
 * requests. Thread-safe.
 */
class GenerationTableView {
public:
    explicit GenerationTableView(const FileDescriptor &fd);
    Generation generation(std::uint32_t groupSlot) const noexcept;
    InstanceCounts instances(std::uint32_t groupSlot) const noexcept;
    /** When the queue's last pause ended. In the future: it is paused. */
    MonotonicTime pausedUntil(std::uint32_t groupSlot) const noexcept;
    std::uint32_t childSlots() const noexcept;
    /** One secret for all children of the agent. */
    const FairnessKey::Secret &secret() const noexcept;
    /** How often the agent has asked for idle reply channels. */
    std::uint32_t shortages() const noexcept;
    /** What shortages() was when this object was made. */
    std::uint32_t firstShortages() const noexcept { return firstShortages_; }
    /** Waits until shortages() differs from `seen`, for this time at most. May return early. */
    void awaitShortage(std::uint32_t seen, std::chrono::nanoseconds time) const noexcept;
    /** Ends the waits of this table, also those in other processes, which wait again. */
    void endWaits() const noexcept;

private:
    Mapping mapping_;
    std::uint32_t firstShortages_;
};

}  // namespace Passenger
