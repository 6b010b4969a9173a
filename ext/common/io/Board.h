#pragma once

#include <cstdint>
#include <vector>

#include "base/Clock.h"
#include "base/Mutex.h"
#include "base/SharedMemory.h"
#include "base/StrongId.h"
#include "io/Layouts.h"

namespace Passenger {

/**
 * What a child has in flight, written where the agent can read it (doc/PROTOCOLS.md, section 2): should an instance die or a queue be
 * retired, the agent knows whom to tell.
 *
 * One for each process that sends requests; made by it. Entries are handed out with reply channels. Thread-safe.
 */
class Board {
public:
    /** @throws SystemException */
    Board();
    const SharedMemory &memory() const noexcept {
        return memory_;
    }
    /** A free entry. @throws IOException when this process has 4,096 already */
    std::uint32_t allocate() EXCLUDES(mutex_);
    void release(std::uint32_t entry) EXCLUDES(mutex_);
    /** About to send: must be visible before the message is. */
    void sending(std::uint32_t entry, ChannelId channel, Ticket ticket, std::uint32_t groupSlot,
                 MonotonicTime since) noexcept;
    void sent(std::uint32_t entry) noexcept;
    void done(std::uint32_t entry) noexcept;

private:
    BoardEntry *at(std::uint32_t entry) const noexcept {
        return mapping_.at<BoardEntry>(BoardLayout::offset(entry));
    }

    SharedMemory memory_;
    Mapping mapping_;
    Mutex mutex_{Locks::BOARD};
    std::vector<std::uint32_t> free_ GUARDED_BY(mutex_);
    std::uint32_t unused_ GUARDED_BY(mutex_) = 0;
};

/** A child's board as the agent reads it: by system call, believing nothing. */
class BoardReader {
public:
    BoardReader() = default;
    /** @throws ProtocolException when it is no sealed file of a board's size */
    explicit BoardReader(FileDescriptor fd);
    /** The exchanges that are being sent or were sent, of this Group. */
    std::vector<BoardEntry> inFlight(std::uint32_t groupSlot) const;
    explicit operator bool() const noexcept {
        return static_cast<bool>(memory_);
    }

private:
    SharedMemory memory_;
};

}  // namespace Passenger
