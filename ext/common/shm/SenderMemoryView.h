#pragma once

#include <chrono>
#include <cstdint>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/Mapping.h"

namespace Passenger {

/** The marks as children use them: a writable mapping. Thread-safe, without locks. */
class SenderMemoryView {
public:
    explicit SenderMemoryView(const FileDescriptor &fd);
    /** Withdraws the tickets up to `ticket`, before any claim is read that is asked for afterwards (sequentially consistent). */
    void withdraw(ChannelId channel, Ticket ticket) noexcept;
    /** Counts one more in flight for this child. @return how many are in flight in all children */
    unsigned add(std::uint32_t childSlot, std::uint32_t childSlots) noexcept;
    void remove(std::uint32_t childSlot) noexcept;
    /** How many are in flight in all children, and how many have had their answer so far. */
    unsigned inFlight(std::uint32_t childSlots) const noexcept;
    std::uint64_t completed(std::uint32_t childSlots) const noexcept;
    /** Count, for this child, how a request ended. @param queued how long it waited  @param service how long its answer took then */
    void completed(std::uint32_t childSlot, std::chrono::nanoseconds queued, std::chrono::nanoseconds service) noexcept;
    void refused(std::uint32_t childSlot) noexcept;
    void timedOut(std::uint32_t childSlot, std::chrono::nanoseconds queued) noexcept;
    void left(std::uint32_t childSlot, std::chrono::nanoseconds queued) noexcept;
    /** True for the one who has to wake the agent. */
    bool askForMore() noexcept;

private:
    GroupStatistics &statistics(std::uint32_t childSlot) const noexcept {
        return *mapping_.at<GroupStatistics>(SenderMemoryLayout::statistics(childSlot));
    }

    Mapping mapping_;
};

}  // namespace Passenger
