#pragma once

#include <cstdint>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Mapping.h"

namespace Passenger {

/**
 * The claims as children see them: a read-only mapping. Owned by the process that sends requests.
 * Thread-safe.
 */
class ClaimsView {
public:
    /** @throws SystemException, ProtocolException */
    explicit ClaimsView(const FileDescriptor &fd);
    bool holds(ChannelId channel, Ticket ticket) const noexcept;
    /** How many cells hold claims of instances that live. */
    unsigned taken() const noexcept;
    /** Whether an instance died with this claim, and the agent could not send LOST. */
    bool died(ChannelId channel, Ticket ticket) const noexcept;
    /** Whether the agent has killed that instance. */
    bool killed(ChannelId channel, Ticket ticket) const noexcept;

private:
    std::uint32_t used() const noexcept;
    std::uint64_t channelOf(std::uint32_t cell) const noexcept;
    bool contains(std::uint64_t channel, Ticket ticket) const noexcept;

    Mapping mapping_;
};

}  // namespace Passenger
