#pragma once

#include <chrono>
#include <cstdint>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/FairnessKey.h"
#include "shm/Layouts.h"
#include "shm/Mapping.h"

namespace Passenger {

/**
 * The SenderMemory as children use it: a writable mapping. Owned by the process that sends
 * requests. Thread-safe, without locks.
 */
class SenderMemoryView {
public:
    explicit SenderMemoryView(const FileDescriptor &fd);
    /**
     * Withdraws the tickets up to `ticket`. Sequentially consistent: the caller reads the claims
     * only after the mark is written.
     */
    void withdraw(ChannelId channel, Ticket ticket) noexcept;
    /**
     * Counts one more request in flight for this child.
     * @return requests in flight of all children
     */
    unsigned add(std::uint32_t childSlot, std::uint32_t childSlots) noexcept;
    void remove(std::uint32_t childSlot) noexcept;
    /** Sums over all children: requests in flight, requests answered so far, and the time that
     *  instances took for these. A child that ends takes its part of the last two with it. */
    unsigned inFlight(std::uint32_t childSlots) const noexcept;
    std::uint64_t completed(std::uint32_t childSlots) const noexcept;
    std::chrono::microseconds serviceTime(std::uint32_t childSlots) const noexcept;
    /** Counts one more request of this key in flight for this child. */
    void add(std::uint32_t childSlot, const FairnessKey &key) noexcept;
    void remove(std::uint32_t childSlot, const FairnessKey &key) noexcept;
    /** Requests of this key in flight, of all children: too many if others have the same cells,
     *  never too few. */
    unsigned inFlight(const FairnessKey &key, std::uint32_t childSlots) const noexcept;
    /**
     * These count, for this child, how a request ended.
     * @param queued how long the request waited
     * @param service how long its answer took then
     */
    void completed(std::uint32_t childSlot, std::chrono::nanoseconds queued, std::chrono::nanoseconds service) noexcept;
    void refused(std::uint32_t childSlot) noexcept;
    void overShare(std::uint32_t childSlot) noexcept;
    void timedOut(std::uint32_t childSlot, std::chrono::nanoseconds queued) noexcept;
    void left(std::uint32_t childSlot, std::chrono::nanoseconds queued) noexcept;
    void lost(std::uint32_t childSlot) noexcept;
    void overran(std::uint32_t childSlot) noexcept;
    void notStarted(std::uint32_t childSlot) noexcept;
    /** True: the caller has to wake the agent. */
    bool askForMore() noexcept;

private:
    using KeyCount = SenderMemoryLayout::KeyCount;

    KeyCount *keyCount(std::uint32_t childSlot, const FairnessKey &key, std::uint32_t row) const noexcept {
        return mapping_.at<KeyCount>(SenderMemoryLayout::keyCount(childSlot, row, key.cell(row)));
    }
    GroupStatistics &statistics(std::uint32_t childSlot) const noexcept {
        return *mapping_.at<GroupStatistics>(SenderMemoryLayout::statistics(childSlot));
    }

    Mapping mapping_;
};

}  // namespace Passenger
