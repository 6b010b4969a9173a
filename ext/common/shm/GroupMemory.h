#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * The claims of a Group: what each thread of its instances has taken, for the case that one dies (doc/PROTOCOLS.md, section 2).
 *
 * This is the agent's side: it makes the file, gives cells out, and reads and clears them by system call, since what instances write is
 * not trusted and no root process maps it. Not thread-safe; guarded by the pool's lock.
 */
class Claims {
public:
    /** @throws SystemException */
    Claims();
    const SharedMemory &memory() const noexcept {
        return memory_;
    }
    /** What the cell holds; nothing when it is free. */
    std::optional<ClaimCell> read(std::uint32_t cell) const;
    std::vector<ClaimCell> all() const;
    /** Whether any cell holds this ticket. */
    bool holds(ChannelId channel, Ticket ticket) const;
    /** How many cells are taken by the living. */
    unsigned taken() const;
    void clear(std::uint32_t cell);
    /** Its owner died, and the claim has to tell the child so (ClaimsLayout::DIED). */
    void noteDeath(std::uint32_t cell);

private:
    SharedMemory memory_;
};

/** The claims as children see them: a read-only mapping. Thread-safe. */
class ClaimsView {
public:
    /** @throws SystemException, ProtocolException */
    explicit ClaimsView(const FileDescriptor &fd);
    bool holds(ChannelId channel, Ticket ticket) const noexcept;
    /** Whether an instance died with this claim, and nobody could tell (LOST). */
    bool died(ChannelId channel, Ticket ticket) const noexcept;

private:
    bool contains(std::uint64_t channel, Ticket ticket) const noexcept;

    Mapping mapping_;
};

/**
 * The marks of a Group ("tickets up to this are withdrawn") with its children's in-flight counts and statistics, agent's side. Written by
 * children, so nothing in it is believed beyond what children may decide: how many instances their requests could use. Not thread-safe.
 */
class Marks {
public:
    Marks();
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

/** The marks as children use them: a writable mapping. Thread-safe, without locks. */
class MarksView {
public:
    explicit MarksView(const FileDescriptor &fd);
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
        return *mapping_.at<GroupStatistics>(MarksLayout::statistics(childSlot));
    }

    Mapping mapping_;
};

}  // namespace Passenger
