#pragma once

#include <cstdint>
#include <optional>

#include "exchange/AppVersion.h"
#include "exchange/BodySender.h"
#include "exchange/ExchangeChannel.h"
#include "exchange/ExchangeTimes.h"
#include "exchange/InFlightRecord.h"
#include "exchange/MessageRequest.h"
#include "exchange/QueueHost.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * Sends the request of an exchange to the application's queue, each time under a new ticket.
 * Follows the queue to its next generation and to the next agent.
 *
 * A part of an Exchange, with its thread rules. Host and options outlive it. A request that was
 * sent has a link, and a channel that the link's agent knows.
 */
class RequestSender {
public:
    RequestSender(QueueHost &host, const Options &options)
        : host_(host), options_(options), channel_(host), inFlight_(host, options) {}

    /** Stores the request. Nothing is sent yet. @throws ProtocolException: the request exceeds a
     *  limit */
    void prepare(const MessageRequest &request, std::uint8_t flags);
    /**
     * Sends the request under a new ticket.
     * @throws QueueFullException: the queue has no room, and the request is not in flight
     * @throws RefusedException: the agent refuses the request
     * @throws EndOfFileException: a part of the body was lost with its channel
     * @throws IOException, SystemException
     */
    void send(ExchangeTimes &times);
    /** Counts another ticket of the same exchange. @return false: there were too many */
    bool countResend() noexcept;
    /** The request is no longer in flight. */
    void dequeued() noexcept { inFlight_.remove(*link_); }
    /** Calls dequeued(), and gives the channel back.
     *  @param clean no message of the exchange can arrive any more */
    void leave(bool clean) noexcept;

    const QueueLink &link() const noexcept { return *link_; }
    ExchangeChannel &channel() noexcept { return channel_; }
    const ExchangeChannel &channel() const noexcept { return channel_; }
    Ticket ticket() const noexcept { return ticket_; }
    std::uint16_t resends() const noexcept { return resends_; }
    BodySender &body() noexcept { return body_; }
    const BodySender &body() const noexcept { return body_; }
    InFlightRecord &inFlight() noexcept { return inFlight_; }
    /** The request has been sent. */
    BusyPolling::Poll poll() noexcept { return {host_.busyPolling(), inFlight_.isAlone()}; }
    bool isStream() const noexcept { return (flags_ & STREAM) != 0; }
    bool isRetryable() const noexcept { return request_.retryable; }

    /** The descriptor that hangs up when the link's agent dies. -1: the agent has died, or cannot
     *  die before this process. */
    int agentLife() const noexcept { return agentLife_; }
    bool agentIsDead() const noexcept { return agentIsDead_; }
    void agentDied() noexcept {
        agentLife_ = -1;
        agentIsDead_ = true;
    }
    /** See MessageSession::version(). */
    std::optional<AppVersion> version() const noexcept;

private:
    void relink(Generation unusable);
    RequestHeader header(const ExchangeTimes &times) const noexcept;

    QueueHost &host_;
    const Options &options_;
    QueueLinkPtr link_;
    ExchangeChannel channel_;
    MessageRequest request_;
    BodySender body_;
    InFlightRecord inFlight_;
    Ticket ticket_;
    /** The number of earlier tickets of this exchange on the channel. */
    std::uint16_t resends_ = 0;
    std::uint8_t flags_ = 0;
    int agentLife_ = -1;
    bool agentIsDead_ = false;
};

}  // namespace Passenger
