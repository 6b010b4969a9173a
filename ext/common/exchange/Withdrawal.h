#pragma once

#include <cstdint>
#include <span>

#include "exchange/ExchangeChannel.h"
#include "exchange/QueueHost.h"

namespace Passenger {

/**
 * Withdraws a ticket, and reads whether an instance has claimed it.
 *
 * Made for one use, with the thread rules of the Exchange. The link's memory and the channel
 * outlive it. The order of steps is fixed: mark, barrier, claims, channel. An instance writes its
 * claim first and reads the mark then. So the instance sees the mark and skips the request, or this
 * process sees the claim or a message of the instance in the channel.
 */
class Withdrawal {
public:
    Withdrawal(const QueueLink &link, ExchangeChannel &channel, Ticket ticket) noexcept
        : memory_(*link.memory), channel_(channel), ticket_(ticket) {}

    enum class Outcome : std::uint8_t {
        /** No instance has begun with the request, and none can begin. */
        NOT_BEGUN,
        BEGUN,
        /** The buffer holds a message about the ticket. */
        ANSWERED
    };
    /** Takes all steps. Drops stale messages, RECHECK and REFUSED. @throws as ExchangeChannel */
    Outcome withdraw(std::span<char> buffer) const;
    /** Writes the mark, and then a full barrier. */
    void mark() const noexcept;

    bool held() const noexcept;
    /** An instance died with a claim of the ticket, and the agent could not say LOST. */
    bool diedWith() const noexcept;
    /** The agent has killed that instance. */
    bool killedWith() const noexcept;
    bool claimed() const noexcept { return held() || diedWith(); }

private:
    GroupMemory &memory_;
    ExchangeChannel &channel_;
    Ticket ticket_;
};

}  // namespace Passenger
