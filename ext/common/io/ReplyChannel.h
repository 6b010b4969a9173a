#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * The child's end of a reply channel (doc/PROTOCOLS.md, section 3): one SOCK_SEQPACKET pair for each exchange in flight, kept for
 * the next one after a clean end. Belongs to one application. Used by one thread at a time.
 */
class ReplyChannel {
public:
    /** How long receive() waits where it may. */
    static constexpr std::chrono::milliseconds PATIENCE{20};
    /** An exchange that begins below takes some thousands more at the most. */
    static constexpr std::uint64_t MOST_TICKETS = 1 << 20;
    static_assert(MOST_TICKETS < SenderMemoryLayout::MAX_TICKET / 2);
    enum class Waiting { NEVER, FOR_A_MOMENT };

    /** @param inFlightEntry where exchanges on it are shown  @param epoch of who registered it: a channel does not outlive its agent */
    ReplyChannel(FileDescriptor end, ChannelId id, std::uint32_t inFlightEntry, std::uint64_t epoch) noexcept;

    int descriptor() const noexcept {
        return end_.get();
    }
    ChannelId id() const noexcept {
        return id_;
    }
    std::uint32_t inFlightEntry() const noexcept {
        return inFlightEntry_;
    }
    std::uint64_t epoch() const noexcept {
        return epoch_;
    }
    /** A ticket that was not used here before. */
    Ticket nextTicket() noexcept {
        lastTicket_ = Ticket(lastTicket_.value() + 1);
        return lastTicket_;
    }

    /** Receives one message. @return its size; 0: none is here
     *  @param descriptors what came with it
     *  @param waiting FOR_A_MOMENT: up to PATIENCE, which costs a system call less than to wait with poll() first
     *  @throws SystemException; EndOfFileException when the channel was shut down */
    std::size_t receive(std::span<char> buffer, std::vector<FileDescriptor> &descriptors,
                        Waiting waiting = Waiting::NEVER);
    /** It has had so many tickets that another channel is to take its place: a mark has room for 32 bits of one. */
    bool ticketsUsedUp() const noexcept {
        return lastTicket_.value() >= MOST_TICKETS;
    }

    /** Sends one message. Never waits. False: it does not fit now. @throws SystemException, EndOfFileException */
    bool send(const MessageHeader &header, std::string_view body);
    /** NOT_WITH_DESCRIPTOR: more of the user's descriptors are on their way, in whatever sockets, than a process of its may have open. */
    enum class Sent { YES, NOT_NOW, NOT_WITH_DESCRIPTOR };
    /** The same with a descriptor, of which the receiver gets a copy. */
    Sent send(const MessageHeader &header, std::string_view body, int descriptor);
    /** Whether everything sent here was taken. */
    bool drained() const noexcept;
    bool readable() const noexcept;
    /** Ends what is sent here; what comes goes on. */
    void shutDownBody() noexcept;
    /** Ends the channel for both sides; a blocked writer is freed. */
    void shutDown() noexcept;

private:
    FileDescriptor end_;
    ChannelId id_;
    std::uint32_t inFlightEntry_;
    std::uint64_t epoch_;
    Ticket lastTicket_;
    /** The kernel ends its waits in time. */
    bool patient_ = false;
};

/** Tells a child something on the agent's copy of the instance's end (LOST, RECHECK, REFUSED). Never waits.
 *  @return false: no room now, try again later. A channel that is gone counts as told. */
bool notifyChannel(const FileDescriptor &instanceEnd, const MessageHeader &header, std::string_view payload);

}  // namespace Passenger
