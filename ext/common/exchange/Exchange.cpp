#include "exchange/Exchange.h"

#include <algorithm>

#include "base/Exceptions.h"
#include "io/RequestQueue.h"

namespace Passenger {

namespace {

/** So often a line may be found closed in a row before the exchange gives up. */
constexpr int MAX_RELINKS = 20;

}  // namespace

Exchange::~Exchange() {
    if (!channel_) {
        return;
    }
    if (!over_) {
        abandon();
    } else if (!clean_) {
        link_->memory->senders.withdraw(channel_->id(), ticket_);
    } else if (answered_ && (flags_ & STREAM) != 0) {
        countCompleted();
    } else if (refused_) {
        link_->memory->senders.refused(childSlot_);
    }
    dequeued();
    // BODY messages that no instance took would be read by the channel's next exchange.
    const bool reusable = over_ && clean_ && (!body_.begun() || channel_->drained());
    if (!reusable) {
        channel_->shutDown();
    }
    host_->giveBack(std::move(channel_), reusable);
}

void Exchange::start(const Session::Request &request, std::uint8_t flags) {
    if (request.environment.size() > MAX_ENVIRONMENT) {
        throw ProtocolException("the request's head is over the limit of 1 MiB");
    }
    refused_ = false;
    over_ = false;
    clean_ = false;
    request_ = request;
    flags_ = flags;
    if (request.headRequest) {
        flags_ |= HEAD_REQUEST;
    }
    body_ = BodySender(request);
    if (sizeof(RequestHeader) + body_.headInRequest().size() + request.body.size() > MAX_MESSAGE) {
        throw ProtocolException("the body given with the request is over the limit of a message");
    }
    if (!body_.done()) {
        flags_ |= BODY_FOLLOWS;
    }
    if (request.bodyFile >= 0) {
        flags_ |= BODY_IN_FILE;
    }
    relink(Generation());
    enqueue();
}

/**
 * Finds the current line, and a channel that the same agent knows. A channel whose agent was replaced is of no use: the new one's
 * instances cannot get it.
 */
void Exchange::relink(Generation unusable) {
    for (int attempt = 0; attempt < MAX_RELINKS; attempt++) {
        QueueLinkPtr fresh = host_->link(unusable);
        if (channel_ && channel_->epoch() != fresh->epoch) {
            if (!body_.rewind()) {
                throw EndOfFileException("the request's body went to a channel whose agent is gone");
            }
            dropChannel();
            resends_ = 0;
            discarded_ = 0;
        }
        link_ = std::move(fresh);
        if (!channel_) {
            channel_ = host_->takeChannel(*link_);
        }
        if (channel_) {
            return;
        }
    }
    throw IOException("the agent was replaced again and again");
}

/** Whatever lies in it, or comes yet, belongs to nobody. */
void Exchange::dropChannel() noexcept {
    channel_->shutDown();
    host_->giveBack(std::move(channel_), false);
}

RequestHeader Exchange::requestHeader() const noexcept {
    RequestHeader header{};
    header.version = LAYOUT_VERSION;
    header.flags = flags_;
    header.resends = resends_;
    header.headLength = static_cast<std::uint32_t>(request_.environment.size());
    header.channel = channel_->id().value();
    header.ticket = ticket_.value();
    header.sentAt = toNanoseconds(sentAt_);
    return header;
}

std::optional<AppVersion> Exchange::version() const noexcept {
    if (!link_ || agentDied_) {
        return std::nullopt;
    }
    return AppVersion{&host_->generations(), link_->groupSlot, link_->generation, agentLife_};
}

void Exchange::enqueue() {
    for (int attempt = 0; attempt < MAX_RELINKS; attempt++) {
        ticket_ = channel_->nextTicket();
        overtakenAt_ = 0;
        sentAt_ = host_->clock().now();
        if (!admitted_) {
            waitingSince_ = sentAt_;
        }
        agentLife_ = host_->agentLife();
        agentDied_ = false;
        childSlot_ = host_->childSlot();
        const unsigned inFlight = link_->memory->senders.add(childSlot_, host_->generations().childSlots());
        counted_ = true;
        const std::uint32_t capacity = host_->generations().capacity(link_->groupSlot);
        admit(inFlight, capacity);
        host_->inFlightTable().sending(channel_->inFlightEntry(), channel_->id(), ticket_, link_->groupSlot,
                                       waitingSince_);
        const RequestQueue::Outcome outcome =
            RequestQueue::send(link_->sending.get(), requestHeader(), body_.headInRequest(), request_.body);
        if (outcome == RequestQueue::Outcome::QUEUED) {
            host_->inFlightTable().sent(channel_->inFlightEntry());
            // Read anew: it may have fallen since, and whoever looked then did not see this request.
            if (inFlight > host_->generations().capacity(link_->groupSlot) && link_->memory->senders.askForMore()) {
                host_->wakeAgent();
            }
            return;
        }
        if (outcome == RequestQueue::Outcome::FULL) {
            refuse("the application's request queue is full: the system's buffer for it has no more room");
        }
        // Not queued: no instance has seen this ticket, but BODY messages of an earlier one may lie in the channel, so it counts on.
        dequeued();
        resends_++;
        relink(link_->generation);
    }
    over_ = true;
    throw IOException("the application's request queue was closed again and again");
}

/**
 * Lets a request in that waits in the line for the first time, or takes it back. The count is a sum over children that take no lock: it is
 * off by no more than the requests that begin or end in this very moment, so as many may be let in or refused too many.
 */
void Exchange::admit(unsigned inFlight, std::uint32_t capacity) {
    const bool waits = inFlight > capacity;
    if (!admitted_ && waits && limits_.size > 0 && inFlight - capacity > limits_.size) {
        refuse("the application's request queue is full: " + std::to_string(limits_.size) +
               " requests wait in it, as many as PassengerMaxRequestQueueSize allows");
    }
    if (!admitted_ && waits && limits_.inFlight > 0 && inFlight > limits_.inFlight) {
        refuse("the application holds its share of httpd's threads: " + std::to_string(limits_.inFlight) +
               " requests, seven eighths of MaxRequestWorkers; the rest is for others");
    }
    admitted_ = true;
}

void Exchange::refuse(const std::string &text) {
    dequeued();
    refused_ = true;
    over_ = true;
    clean_ = true;
    throw QueueFullException(text);
}

/** Takes the exchange off the in-flight table and the count. */
void Exchange::dequeued() noexcept {
    if (counted_) {
        counted_ = false;
        host_->inFlightTable().done(channel_->inFlightEntry());
        link_->memory->senders.remove(childSlot_);
    }
}

void Exchange::complete() noexcept {
    over_ = true;
    clean_ = body_.done();
    if ((flags_ & STREAM) == 0) {
        countCompleted();
        dequeued();
    }
}

void Exchange::countCompleted() noexcept {
    const std::chrono::nanoseconds elapsed = host_->clock().now() - sentAt_;
    // An instance is believed no further than what was measured here.
    const std::chrono::nanoseconds queued = std::min<std::chrono::nanoseconds>(queued_, elapsed);
    link_->memory->senders.completed(childSlot_, sentAt_ - waitingSince_ + queued, elapsed - queued);
}

Exchange::Event Exchange::finish(Event::Kind kind, bool clean) {
    over_ = true;
    clean_ = clean;
    return Event{kind};
}

}  // namespace Passenger
