#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/Clock.h"
#include "base/Mutex.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * What a child has in flight, written where the agent can read it (doc/PROTOCOLS.md, section 2): should an instance die or a queue be
 * retired, the agent knows whom to tell.
 *
 * One for each process that sends requests; made by it. Entries are handed out with reply channels. Thread-safe.
 */
class InFlightTable {
public:
    /** @throws SystemException */
    InFlightTable();
    const SharedMemory &memory() const noexcept {
        return memory_;
    }
    /** The first free entry, so that readers find all of them at the beginning. @throws IOException when this process has 4,096 already */
    std::uint32_t allocate() EXCLUDES(mutex_);
    void release(std::uint32_t entry) EXCLUDES(mutex_);
    /** About to send: must be visible before the message is. */
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
    /** A bit for each entry. */
    std::array<std::uint64_t, InFlightLayout::ENTRIES / 64> taken_ GUARDED_BY(mutex_){};
};

/** A child's in-flight table as the agent reads it: by system call, believing nothing. */
class InFlightReader {
public:
    InFlightReader() = default;
    /** @throws ProtocolException when it is no sealed file of an in-flight table's size */
    explicit InFlightReader(FileDescriptor fd);
    /** The exchanges that are being sent or were sent, of this Group. */
    std::vector<InFlightEntry> inFlight(std::uint32_t groupSlot) const;
    explicit operator bool() const noexcept {
        return static_cast<bool>(memory_);
    }

private:
    SharedMemory memory_;
};

}  // namespace Passenger
