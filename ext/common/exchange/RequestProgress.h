#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/FileDescriptor.h"
#include "exchange/ExchangeState.h"
#include "exchange/ExchangeTimes.h"
#include "exchange/MessageRequest.h"
#include "exchange/OvertakenCheck.h"
#include "exchange/QueueHost.h"
#include "exchange/Reply.h"
#include "exchange/RequestSender.h"
#include "exchange/Withdrawal.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * The state of an exchange, and each step from one state to the next (doc/PROTOCOLS.md, sections 1
 * to 3). Neither time nor the queue's order decides that a request is sent again: the Withdrawal
 * does.
 *
 * A part of an Exchange, with its thread rules. The Exchange waits, and calls the function of what
 * happened: a message came, the client left, a limit was reached, the channel ended. Each of these
 * functions returns the event that ends the wait. Nothing means: the wait goes on. Buffers have
 * MAX_MESSAGE bytes at least. The functions throw what RequestSender::send() and ExchangeChannel
 * throw.
 *
 * The destructor ends the exchange, in whatever state.
 */
class RequestProgress {
public:
    /** What ends a wait: a message of an instance for this exchange, or the end. A plain value. */
    struct Event {
        Event() noexcept = default;
        Event(Reply reply) noexcept : end(std::move(reply)) {}  // NOLINT(google-explicit-constructor)

        bool endsWith(Reply::Kind kind) const noexcept { return end && end->kind == kind; }

        /** The reply that ends the exchange. Nothing: a message. */
        std::optional<Reply> end;
        MessageHeader header{};
        /** The message's, in the caller's buffer behind the header. */
        std::span<char> payload;
        std::vector<FileDescriptor> descriptors;
    };

    RequestProgress(QueueHostPtr host, const Options &options)
        : host_(std::move(host)), options_(options), times_(*host_, options), sender_(*host_, options) {}
    ~RequestProgress();
    RequestProgress(const RequestProgress &) = delete;
    RequestProgress &operator=(const RequestProgress &) = delete;

    /** See Exchange::start(). */
    void start(const MessageRequest &request, std::uint8_t flags);
    /** @param whole the instance has not broken the answer off */
    void complete(bool whole) noexcept;

    bool over() const noexcept { return isOver(state_); }
    /** No instance is known to have begun with the request. */
    bool waits() const noexcept { return state_ <= ExchangeState::QUEUED; }
    bool answered() const noexcept { return state_ == ExchangeState::ANSWERED; }
    RequestSender &sender() noexcept { return sender_; }
    const RequestSender &sender() const noexcept { return sender_; }
    ExchangeTimes &times() noexcept { return times_; }
    const ExchangeTimes &times() const noexcept { return times_; }
    /** The process that has sent the last message of the answer. 0: unknown. */
    pid_t instance() const noexcept { return instance_; }

    /** Reads the claims while the request waits. @return an instance has begun with the request */
    bool seeWhetherBegun() noexcept;
    bool claimed() noexcept { return withdrawal().claimed(); }

    std::optional<Event> message(std::span<char> buffer);
    /** The most descriptors that such a message may have. */
    static std::size_t descriptorsOf(MessageType type) noexcept;
    /** No message came for a while: checks that the instance, or the queue, still exists. */
    std::optional<Event> look(std::span<char> buffer);
    /** The client left. A begun request is cut off. */
    std::optional<Event> clientLeft(std::span<char> buffer);
    /** The request has waited up to the limit. A begun request goes on. */
    std::optional<Event> queueTimeUp(std::span<char> buffer);
    /** The caller stops waiting. A begun request is cut off. */
    Event timedOut(std::span<char> buffer);
    /** An instance has worked on the request up to the limit. The agent ends the instance. */
    Event overran() noexcept;
    /** When the agent is to learn that the request is slow. Nothing: never, or it knows. */
    std::optional<MonotonicTime> slowDate() const noexcept {
        return slowTold_ || answered() ? std::nullopt : times_.slowDate();
    }
    void tellSlow() noexcept;
    /** receive() found the channel's end. */
    std::optional<Event> channelEnded();
    /** Why the caller receives no further reply. */
    enum class End {
        /** The caller has what it needs of the answer. */
        TAKEN,
        /** The client has left, or did not send its whole body. */
        CLIENT_LEFT,
        /** The answer is malformed. */
        MALFORMED
    };
    /** See MessageSession::giveUp(). Only while the exchange is not over. */
    void giveUp(End why) noexcept;
    /** The channel carried a message that the protocol does not allow. */
    Event broken(std::string text) noexcept;

private:
    void enter(ExchangeState next) noexcept;
    void send();
    void noteBegun() noexcept;
    bool mayRepeat() const noexcept;
    Withdrawal withdrawal() noexcept { return {sender_.link(), sender_.channel(), sender_.ticket()}; }
    bool withdrawn(std::span<char> buffer, std::optional<Event> &event);
    std::optional<Event> resendUnlessBegun(std::span<char> buffer);
    std::optional<Event> resend();
    std::optional<Event> instanceDied(bool killed);
    std::optional<Event> lookForEnd(std::span<char> buffer);
    std::optional<Event> agentsMessage(const MessageHeader &header, std::span<char> buffer);
    std::optional<Event> hint(const MessageHeader &header, std::span<char> buffer);
    std::optional<Event> answer(const MessageHeader &header, std::span<char> buffer) noexcept;
    Event finish(Reply reply, ExchangeState state) noexcept;
    Event endAsLost(Reply reply, ExchangeState state) noexcept;

    const QueueHostPtr host_;
    const Options &options_;
    ExchangeTimes times_;
    RequestSender sender_;
    OvertakenCheck overtaken_;
    ExchangeState state_ = ExchangeState::UNSENT;
    pid_t instance_ = 0;
    /** An instance had the request and died. The request is sent again only once. */
    bool retried_ = false;
    bool clientGone_ = false;
    bool slowTold_ = false;
};

}  // namespace Passenger
