#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "io/ChannelSecret.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * The child's end of a reply channel (doc/PROTOCOLS.md, section 3). A channel is a SOCK_SEQPACKET
 * pair for one exchange at a time. After a clean end the next exchange of the same application uses
 * it. One thread at a time uses an object.
 */
class ReplyChannel {
public:
    /** The longest wait of receive() with FOR_A_MOMENT. */
    static constexpr std::chrono::milliseconds PATIENCE{20};
    /** An exchange that begins below this limit uses at most some thousand tickets more. */
    static constexpr std::uint64_t MOST_TICKETS = 1 << 20;
    static_assert(MOST_TICKETS < SenderMemoryLayout::MAX_TICKET / 2);
    enum class Waiting { NEVER, FOR_A_MOMENT };

    /**
     * @param inFlightEntry index of the entry for this channel's exchanges in the in-flight table
     * @param epoch of the agent that registered the channel; a channel is unusable with another
     *     agent
     * @param secret the agent's messages on the channel begin with it
     * @param application the sender of all descriptors that come on the channel
     */
    ReplyChannel(FileDescriptor end, ChannelId id, std::uint32_t inFlightEntry, std::uint64_t epoch,
                 const ChannelSecret &secret, DescriptorSender application = ANY_SENDER) noexcept;

    int descriptor() const noexcept { return end_.get(); }
    ChannelId id() const noexcept { return id_; }
    DescriptorSender application() const noexcept { return end_.sender(); }
    std::uint32_t inFlightEntry() const noexcept { return inFlightEntry_; }
    std::uint64_t epoch() const noexcept { return epoch_; }
    const ChannelSecret &secret() const noexcept { return secret_; }
    /** A ticket that this channel has not used before. */
    Ticket nextTicket() noexcept {
        lastTicket_ = Ticket(lastTicket_.value() + 1);
        return lastTicket_;
    }

    /**
     * Receives one message.
     * @param descriptors gets the descriptors of the message
     * @param waiting FOR_A_MOMENT: waits up to PATIENCE; this takes one system call less than a
     *     poll() before
     * @return its size; 0 if no message was there
     * @throws SystemException; EndOfFileException if the channel was shut down
     */
    std::size_t receive(std::span<char> buffer, std::vector<FileDescriptor> &descriptors,
                        Waiting waiting = Waiting::NEVER);
    /** The process that has sent the last message, as the kernel says. 0: unknown. */
    pid_t sender() const noexcept { return sender_; }
    /**
     * Whether the channel must be replaced because of its number of tickets. A withdrawal mark has
     * 32 bits for a ticket.
     */
    bool ticketsUsedUp() const noexcept { return lastTicket_.value() >= MOST_TICKETS; }

    /**
     * Sends one message. Never waits.
     * @return false if the socket has no room now
     * @throws SystemException, EndOfFileException
     */
    bool send(const MessageHeader &header, std::string_view body);
    /**
     * NOT_WITH_DESCRIPTOR: the user has more descriptors in flight, in all sockets, than one of its
     * processes may have open.
     */
    enum class Sent { YES, NOT_NOW, NOT_WITH_DESCRIPTOR };
    /** Sends one message with a descriptor. The receiver gets a duplicate of it. */
    Sent send(const MessageHeader &header, std::string_view body, int descriptor);
    /** Whether the receiver has taken all sent messages. */
    bool drained() const noexcept;
    bool readable() const noexcept;
    /** Ends sending on this end; receiving goes on. */
    void shutDownBody() noexcept;
    /** Ends the channel for both sides; a blocked writer returns. */
    void shutDown() noexcept;

private:
    FileDescriptor end_;
    ChannelId id_;
    std::uint32_t inFlightEntry_;
    std::uint64_t epoch_;
    ChannelSecret secret_;
    Ticket lastTicket_;
    /** SO_RCVTIMEO is set: a blocking receive ends after PATIENCE. */
    bool patient_ = false;
    pid_t sender_ = 0;
};

/**
 * Sends a message of the agent to a child (LOST, RECHECK, REFUSED), on the agent's copy of the
 * instance's end. Never waits.
 * @param payload begins with the channel's secret
 * @return false if there is no room now: try again later. For a closed channel the result is true.
 */
bool notifyChannel(const FileDescriptor &instanceEnd, const MessageHeader &header, std::string_view payload);

/**
 * Drops the messages that no instance has taken from a channel that its child has given up, and
 * closes the agent's copy of the instance's end. The kernel counts descriptors in them for the
 * child's user, and an instance could keep them there.
 *
 * An instance that receives can hold the kernel's lock of this end for as long as it likes. So the
 * DescriptorCloser in use does both, if there is one, and this function does not wait.
 * @param application DescriptorCloser::heldUp() of it tells that its instances hold channels
 */
void emptyAndClose(FileDescriptor instanceEnd, DescriptorSender application) noexcept;

}  // namespace Passenger
