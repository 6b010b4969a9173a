// The part of Exchange that finds out whether a request was begun, and acts on it: withdrawing, sending again, giving up.

#include <algorithm>
#include <cstring>

#include "base/Exceptions.h"
#include "exchange/Exchange.h"
#include "io/RequestQueue.h"

namespace Passenger {

namespace {

/** Each needs an instance or a version that ended, or an instance that skips what it should run. */
constexpr std::uint16_t MAX_RESENDS = 1000;

std::string toText(std::chrono::milliseconds time) {
    const auto count = time.count();
    return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

}  // namespace

/** Sends the request again under a new ticket: it was not begun and cannot begin, or it may be repeated. */
Exchange::Event Exchange::resend() {
    dequeued();
    if (clientGone_) {
        link_->memory->senders.left(childSlot_, waited());
        return finish(Event::Kind::CLIENT_LEFT, true);
    }
    if (resends_ >= MAX_RESENDS) {
        Event event = finish(Event::Kind::BROKEN, false);
        event.text = "the request was sent again and again, and never begun";
        return event;
    }
    begun_ = false;
    begunAt_.reset();
    resends_++;
    try {
        relink(Generation());
        enqueue();
    } catch (const RefusedException &refusal) {
        Event event = finish(Event::Kind::REFUSED, true);
        event.status = refusal.status();
        event.reportId = refusal.reportId();
        event.text = refusal.what();
        return event;
    }
    return Event{Event::Kind::MESSAGE};
}

/**
 * Marks the ticket as withdrawn and finds out whether it was begun. The order matters: mark, barrier, claims, channel. An instance writes
 * its claim first and reads the mark then; so either it sees the mark and skips, or we see its claim, or its answer is in the channel.
 * ANSWERED: the message lies in the buffer.
 */
Exchange::Standing Exchange::withdraw(std::span<char> buffer) {
    link_->memory->senders.withdraw(channel_->id(), ticket_);
    if (claimed()) {
        noteBegun();
        return Standing::BEGUN;
    }
    while (takeMessage(buffer)) {
        MessageHeader header{};
        if (messageSize_ >= sizeof(header)) {
            std::memcpy(&header, buffer.data(), sizeof(header));
        }
        if (header.ticket == ticket_.value() && header.type != MessageType::RECHECK &&
            header.type != MessageType::REFUSED) {
            return Standing::ANSWERED;
        }
        discard();
    }
    return Standing::NOT_BEGUN;
}

/** Withdraws. What to say where an answer is here, or it was begun: true, if the event is for the caller. Nothing: it was not begun, and will not. */
std::optional<bool> Exchange::settle(std::span<char> buffer, Event &event) {
    switch (withdraw(buffer)) {
        case Standing::ANSWERED:
            return handleMessage(buffer, event);
        case Standing::BEGUN:
            return false;
        case Standing::NOT_BEGUN:
            break;
    }
    return std::nullopt;
}

std::chrono::nanoseconds Exchange::waited() const noexcept {
    return host_->clock().now() - waitingSince_;
}

/** Whether an instance has claimed it, perhaps one that died. */
bool Exchange::claimed() const noexcept {
    const ClaimsView &claims = link_->memory->claims;
    return claims.holds(channel_->id(), ticket_) || claims.died(channel_->id(), ticket_);
}

void Exchange::begunAt(MonotonicTime time) noexcept {
    if (!begunAt_) {
        begunAt_ = std::min(time, host_->clock().now());
    }
}

void Exchange::noteBegun() noexcept {
    begun_ = true;
    begunAt(host_->clock().now());
}

bool Exchange::mayRepeat() const noexcept {
    return request_.retryable && !retried_ && !answered_ && !body_.begun() && !clientGone_;
}

/** Its instance died. @param killed by the agent, for something that the next one might have to be killed for as well */
Exchange::Event Exchange::lost(bool killed) {
    if (!killed && mayRepeat()) {
        retried_ = true;
        waitingSince_ = host_->clock().now();
        return resend();
    }
    return finish(Event::Kind::LOST, true);
}

/**
 * Nobody has the channel's other end any more: it went with the pool process, and with the instance if one had it. One that claims a request
 * has its channel; so an unclaimed one was not begun, and cannot begin.
 */
Exchange::Event Exchange::channelEnded() {
    link_->memory->senders.withdraw(channel_->id(), ticket_);
    const bool begun = begun_ || answered_ || claimed();
    if (begun ? !mayRepeat() : !body_.rewind()) {
        return finish(Event::Kind::LOST, false);
    }
    if (begun) {
        retried_ = true;
        waitingSince_ = host_->clock().now();
    }
    dequeued();
    dropChannel();
    return resend();
}

/**
 * It was claimed and is not any more: either its end is in the channel, or its instance died and was tidied up after. It is withdrawn all the
 * same: a cell whose two words were read while it changed may have looked like a claim, and then the request is in the line still.
 */
bool Exchange::lookForEnd(bool died, std::span<char> buffer, Event &event) {
    if (takeMessage(buffer)) {
        return handleMessage(buffer, event);
    }
    const std::optional<bool> outcome = died ? std::nullopt : settle(buffer, event);
    if (outcome) {
        return *outcome;
    }
    event = lost();
    return event.kind != Event::Kind::MESSAGE;
}

/**
 * Whether an instance has taken the request for sure: the line is first come, first served, and more requests have had their answer since the
 * first look than were in flight then. Answers from instances' own queues count as well, so each time the request is sent again it waits for
 * twice as many: it loses its place in the line a few times at most.
 */
bool Exchange::overtaken() noexcept {
    const std::uint32_t children = host_->generations().childSlots();
    const std::uint64_t completed = link_->memory->senders.completed(children);
    // It falls when a child has ended, whose count goes with it.
    if (overtakenAt_ == 0 || completed < completedBefore_) {
        const std::uint64_t before = link_->memory->senders.inFlight(children);
        overtakenAt_ = completed + (before << std::min<unsigned>(resends_, 16)) + 1;
    }
    completedBefore_ = completed;
    return completed >= overtakenAt_;
}

/** The look without a message: is the claim still there, the line still the current one? False: nothing to report. */
bool Exchange::look(std::span<char> buffer, Event &event) {
    if (link_->memory->claims.holds(channel_->id(), ticket_)) {
        noteBegun();
        return false;
    }
    const bool died = link_->memory->claims.died(channel_->id(), ticket_);
    if (died || begun_ || answered_) {
        return lookForEnd(died, buffer, event);
    }
    const bool queueIsOld = host_->generations().generation(link_->groupSlot) != link_->generation ||
                            RequestQueue::closed(link_->sending.get());
    // Whoever has taken it and not claimed it in all this time is stopped, or dead.
    if (!queueIsOld && RequestQueue::hasWaiting(link_->sending.get()) && !overtaken()) {
        return false;
    }
    if (const std::optional<bool> outcome = settle(buffer, event)) {
        return *outcome;
    }
    event = resend();
    return event.kind != Event::Kind::MESSAGE;
}

/** RECHECK and REFUSED: withdraw first, then believe. */
bool Exchange::handleHint(std::span<char> buffer, Event &event) {
    if (begun_ || answered_) {
        return false;
    }
    const MessageHeader header = event.header;
    std::string payload(event.payload.data(), event.payload.size());
    if (const std::optional<bool> outcome = settle(buffer, event)) {
        return *outcome;
    }
    if (header.type == MessageType::RECHECK) {
        event = resend();
        return event.kind != Event::Kind::MESSAGE;
    }
    event = finish(Event::Kind::REFUSED, true);
    event.status = header.status;
    const std::size_t idLength = std::min<std::size_t>(header.headLength, payload.size());
    event.reportId = payload.substr(0, idLength);
    event.text = payload.substr(idLength);
    return true;
}

/**
 * Withdraws because nobody waits for the answer any more. What an instance has begun is left to run for a client that has gone (it may
 * only have closed its sending side), and is cut off when time is up.
 */
Exchange::Event Exchange::giveUp(Event::Kind kind, std::span<char> buffer) {
    Event event{kind};
    const Standing standing = withdraw(buffer);
    if (standing == Standing::ANSWERED && handleMessage(buffer, event)) {
        return event;
    }
    if (standing != Standing::NOT_BEGUN) {
        return kind == Event::Kind::TIMED_OUT ? finish(kind, false) : Event{kind};
    }
    if (kind == Event::Kind::TIMED_OUT) {
        link_->memory->senders.timedOut(childSlot_, waited());
    } else {
        link_->memory->senders.left(childSlot_, waited());
    }
    return finish(kind, true);
}

/** The time that requests may wait is up: withdraws it, unless it was begun. False: nothing to report. */
bool Exchange::leaveQueue(std::span<char> buffer, Event &event) {
    if (const std::optional<bool> outcome = settle(buffer, event)) {
        return *outcome;
    }
    link_->memory->senders.timedOut(childSlot_, waited());
    event = finish(Event::Kind::REFUSED, true);
    if (limits_.time > std::chrono::milliseconds(0)) {
        event.status = 504;
        event.text = "the application did not begin with the request within " + toText(limits_.time) +
                     ", as long as PassengerMaxRequestQueueTime lets it wait";
    } else {
        event.status = 503;
        event.text = "the application did not begin with the request before the server process had to end";
    }
    return true;
}

/** An instance has worked at it for as long as it may. It is told to nobody again, and the agent ends the instance. */
Exchange::Event Exchange::overran() {
    host_->overran(*link_, channel_->id(), ticket_);
    Event event = finish(Event::Kind::TIMED_OUT, false);
    event.text = "the application worked at the request for " + toText(limits_.work) +
                 ", as long as PassengerMaxRequestTime lets it";
    return event;
}

/** Who asked is gone, in whatever state the exchange is. */
void Exchange::abandon() noexcept {
    link_->memory->senders.withdraw(channel_->id(), ticket_);
    if (counted_ && !begun_ && !claimed() && !channel_->readable()) {
        link_->memory->senders.left(childSlot_, waited());
    }
}

}  // namespace Passenger
