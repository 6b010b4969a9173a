#pragma once

#include <array>
#include <cstdint>

#include "base/Clock.h"
#include "base/Mutex.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/RequestLabel.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * The requests that a child has in flight. The agent reads the table when an instance dies or a
 * queue is retired, to know which requests to tell (doc/PROTOCOLS.md, section 2).
 *
 * Each process that sends requests makes and owns one. Each reply channel has an entry.
 * Thread-safe.
 */
class InFlightTable {
public:
    /** @throws SystemException */
    InFlightTable();
    const SharedMemory &memory() const noexcept { return memory_; }
    /**
     * The first free entry, so that all used ones are at the beginning.
     * @throws IOException when 4,096 entries are in use
     */
    std::uint32_t allocate() EXCLUDES(mutex_);
    void release(std::uint32_t entry) EXCLUDES(mutex_);
    /** Before sending(), by the entry's user. A label that is too long is cut. */
    void describe(std::uint32_t entry, Ticket ticket, const RequestLabel &label) noexcept;
    /** Before the request is sent: a reader sees the entry before an instance sees the request. */
    void sending(std::uint32_t entry, ChannelId channel, Ticket ticket, std::uint32_t groupSlot,
                 MonotonicTime since) noexcept;
    void sent(std::uint32_t entry) noexcept;
    void done(std::uint32_t entry) noexcept;

private:
    InFlightEntry *at(std::uint32_t entry) const noexcept {
        return mapping_.at<InFlightEntry>(InFlightLayout::offset(entry));
    }

    SharedMemory memory_;
    Mapping mapping_;
    Mutex mutex_{Locks::IN_FLIGHT_TABLE};
    /** One bit for each entry. */
    std::array<std::uint64_t, InFlightLayout::ENTRIES / 64> taken_ GUARDED_BY(mutex_){};
};

}  // namespace Passenger
