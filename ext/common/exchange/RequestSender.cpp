#include "exchange/RequestSender.h"

#include "base/Exceptions.h"
#include "io/RequestQueue.h"

namespace Passenger {

namespace {

/** After so many closed queues in a row the request fails. */
constexpr int MAX_RELINKS = 20;
/** A further ticket is needed only if an instance or a version ended, or if an instance skipped a
 *  request without a mark. */
constexpr std::uint16_t MAX_RESENDS = 1000;

}  // namespace

void RequestSender::prepare(const MessageRequest &request, std::uint8_t flags) {
    if (request.environment.size() > MAX_ENVIRONMENT) {
        throw ProtocolException("the request's head is longer than 1 MiB");
    }
    request_ = request;
    flags_ = flags;
    if (request.headRequest) {
        flags_ |= HEAD_REQUEST;
    }
    if (request.transferable) {
        flags_ |= TRANSFERABLE;
    }
    if (request.streamTransferable) {
        flags_ |= STREAM_TRANSFERABLE;
    }
    if (request.takesTrailers) {
        flags_ |= TAKES_TRAILERS;
    }
    if (request.takesFile) {
        flags_ |= TAKES_FILE;
    }
    body_ = BodySender(request, host_.bodyFiles());
    if (sizeof(RequestHeader) + body_.headInRequest().size() + request.body.size() > MAX_MESSAGE) {
        throw ProtocolException("the body given with the request is too long for one message");
    }
    if (!body_.done()) {
        flags_ |= BODY_FOLLOWS;
    }
    if (request.bodyFile >= 0) {
        flags_ |= BODY_IN_FILE;
    }
}

/**
 * Finds the current queue, and a channel that the same agent knows. The instances of an agent
 * cannot get a channel that was registered with the agent before it.
 */
void RequestSender::relink(Generation unusable) {
    for (int attempt = 0; attempt < MAX_RELINKS; attempt++) {
        QueueLinkPtr fresh = host_.link(options_, unusable);
        if (channel_ && channel_->epoch() != fresh->epoch) {
            if (!body_.rewind()) {
                throw EndOfFileException(
                    "a part of the request's body was sent by a channel of an agent that has ended");
            }
            channel_.giveBack(false);
            resends_ = 0;
        }
        link_ = std::move(fresh);
        if (channel_.open(*link_)) {
            return;
        }
    }
    throw IOException("the agent was replaced too often in a row");
}

RequestHeader RequestSender::header(const ExchangeTimes &times) const noexcept {
    RequestHeader header{};
    header.version = LAYOUT_VERSION;
    header.flags = flags_;
    header.resends = resends_;
    header.headLength = static_cast<std::uint32_t>(request_.environment.size());
    header.channel = channel_->id().value();
    header.ticket = ticket_.value();
    header.sentAt = toNanoseconds(times.sentAt());
    return header;
}

void RequestSender::send(ExchangeTimes &times) {
    relink(Generation());
    for (int attempt = 0; attempt < MAX_RELINKS; attempt++) {
        ticket_ = channel_->nextTicket();
        times.sending(!inFlight_.admitted());
        agentLife_ = host_.agentLife();
        agentIsDead_ = false;
        inFlight_.add(*link_, *channel_, ticket_, request_, times);
        const RequestQueue::Outcome outcome =
            RequestQueue::send(link_->sending.get(), header(times), body_.headInRequest(), request_.body);
        if (outcome == RequestQueue::Outcome::QUEUED) {
            inFlight_.sent(*link_);
            return;
        }
        inFlight_.remove(*link_);
        if (outcome == RequestQueue::Outcome::FULL) {
            throw QueueFullException("the application's request queue is full: the buffer of its socket has no room");
        }
        // No instance has read this ticket, but the channel may hold BODY messages of an earlier
        // ticket.
        resends_++;
        relink(link_->generation);
    }
    throw IOException("the application's request queue was replaced too often in a row");
}

bool RequestSender::countResend() noexcept {
    if (resends_ >= MAX_RESENDS) {
        return false;
    }
    resends_++;
    return true;
}

void RequestSender::leave(bool clean) noexcept {
    dequeued();
    // The next exchange on the channel would read BODY messages that no instance took.
    channel_.giveBack(clean && (!body_.begun() || channel_->drained()));
    body_.channelClosed();
}

std::optional<AppVersion> RequestSender::version() const noexcept {
    if (!link_ || agentIsDead_) {
        return std::nullopt;
    }
    return AppVersion{&host_.generations(), link_->groupSlot, link_->generation, agentLife_};
}

}  // namespace Passenger
