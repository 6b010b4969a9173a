#include "exchange/RequestProgress.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "base/Exceptions.h"
#include "io/RequestQueue.h"

namespace Passenger {

using std::chrono::milliseconds;

using Kind = Reply::Kind;
using State = ExchangeState;

RequestProgress::~RequestProgress() {
    if (!sender_.channel()) {
        return;
    }
    const bool clean = state_ == State::COMPLETE || state_ == State::REFUSED || state_ == State::ENDED;
    if (!over()) {
        withdrawal().mark();
        const bool begun = !waits() || claimed() || sender_.channel()->readable();
        if (begun && sender_.inFlight().counted()) {
            sender_.inFlight().countLost(sender_.link());
        } else if (sender_.inFlight().counted()) {
            sender_.inFlight().countLeft(sender_.link(), times_.waited());
        }
    } else if (!clean) {
        withdrawal().mark();
    } else if (state_ == State::COMPLETE && sender_.isStream()) {
        sender_.inFlight().countCompleted(sender_.link(), times_);
    } else if (state_ == State::REFUSED) {
        sender_.inFlight().countRefused(sender_.link());
    }
    sender_.leave(clean);
}

/** The one place where the state changes. */
void RequestProgress::enter(State next) noexcept {
#ifdef PASSENGER_DEVELOPMENT
    if (!mayFollow(state_, next)) {
        std::abort();
    }
#endif
    state_ = next;
}

void RequestProgress::start(const MessageRequest &request, std::uint8_t flags) {
    enter(State::UNSENT);
    sender_.prepare(request, flags);
    send();
}

void RequestProgress::send() {
    overtaken_.restart();
    try {
        sender_.send(times_);
    } catch (const QueueFullException &) {
        enter(State::REFUSED);
        throw;
    }
    enter(State::QUEUED);
}

void RequestProgress::complete(bool whole) noexcept {
    enter(sender_.body().done() ? State::COMPLETE : State::CUT_OFF);
    if (sender_.isStream()) {
        return;
    }
    times_.endNow();
    if (whole) {
        sender_.inFlight().countCompleted(sender_.link(), times_);
    } else {
        sender_.inFlight().countLost(sender_.link());
    }
    sender_.dequeued();
}

void RequestProgress::noteBegun() noexcept {
    if (state_ == State::QUEUED) {
        enter(State::BEGUN);
    }
    times_.begunNow();
}

bool RequestProgress::seeWhetherBegun() noexcept {
    if (state_ == State::QUEUED && withdrawal().held()) {
        noteBegun();
    }
    return !waits();
}

RequestProgress::Event RequestProgress::finish(Reply reply, State state) noexcept {
    enter(state);
    return reply;
}

/** The request has no whole answer, by the instance's fault. */
RequestProgress::Event RequestProgress::endAsLost(Reply reply, State state) noexcept {
    sender_.inFlight().countLost(sender_.link());
    return finish(std::move(reply), state);
}

RequestProgress::Event RequestProgress::broken(std::string text) noexcept {
    return endAsLost(Reply::broken(std::move(text)), State::CUT_OFF);
}

void RequestProgress::giveUp(End why) noexcept {
    switch (why) {
        case End::TAKEN: sender_.inFlight().countCompleted(sender_.link(), times_); break;
        case End::CLIENT_LEFT: sender_.inFlight().countLeft(sender_.link(), times_.waitedUntilBegun()); break;
        case End::MALFORMED: sender_.inFlight().countLost(sender_.link()); break;
    }
    enter(State::CUT_OFF);
}

std::optional<RequestProgress::Event> RequestProgress::answer(const MessageHeader &header,
                                                              std::span<char> buffer) noexcept {
    if (state_ != State::ANSWERED) {
        enter(State::ANSWERED);
        sender_.body().noteTaken(*sender_.channel());
    }
    instance_ = sender_.channel()->sender();
    std::optional<Event> event(std::in_place);
    event->header = header;
    event->payload = sender_.channel().payload(buffer);
    event->descriptors = sender_.channel().takeDescriptors();
    return event;
}

/** The connection that an application has taken over, that of a stream, and a file. */
std::size_t RequestProgress::descriptorsOf(MessageType type) noexcept {
    return type == MessageType::HIJACKED || type == MessageType::ACCEPTED || type == MessageType::ANSWER_FILE ? 1 : 0;
}

std::optional<RequestProgress::Event> RequestProgress::message(std::span<char> buffer) {
    const MessageHeader header = sender_.channel().header(buffer);
    if (header.ticket != sender_.ticket().value()) {
        sender_.channel().discard();
        return std::nullopt;
    }
    if (const std::size_t count = sender_.channel().descriptors(); count > descriptorsOf(header.type)) {
        return broken("a message of type " + std::to_string(static_cast<unsigned>(header.type)) + " came with " +
                      std::to_string(count) + " descriptors, which it may not have, on the reply channel");
    }
    switch (header.type) {
        case MessageType::RESPONSE:
        case MessageType::HIJACKED:
            times_.queuedFor(std::chrono::microseconds(header.queued));
            times_.begunAfterQueue();
            return answer(header, buffer);
        case MessageType::ACCEPTED: times_.queuedUntilNow(); [[fallthrough]];
        case MessageType::DATA:
        case MessageType::TRAILERS:
        case MessageType::ANSWER_FILE:
        case MessageType::INTERIM:
        case MessageType::ABORTED: times_.begunNow(); return answer(header, buffer);
        case MessageType::SKIPPED:
            return answered() ? broken("the instance skipped a request that it had begun to answer") : resend();
        case MessageType::LOST:
        case MessageType::RECHECK:
        case MessageType::REFUSED: return agentsMessage(header, buffer);
        default:
            return broken("a message of unknown type " + std::to_string(static_cast<unsigned>(header.type)) +
                          " on the reply channel");
    }
}

/** @return true: the request was not begun, and cannot begin. Else the event, if any, ends the
 *  wait. */
bool RequestProgress::withdrawn(std::span<char> buffer, std::optional<Event> &event) {
    switch (withdrawal().withdraw(buffer)) {
        case Withdrawal::Outcome::ANSWERED: event = message(buffer); return false;
        case Withdrawal::Outcome::BEGUN: noteBegun(); return false;
        case Withdrawal::Outcome::NOT_BEGUN: break;
    }
    return true;
}

std::optional<RequestProgress::Event> RequestProgress::resendUnlessBegun(std::span<char> buffer) {
    std::optional<Event> event;
    return withdrawn(buffer, event) ? resend() : std::move(event);
}

/** Sends the request under a new ticket: it was not begun and cannot begin, or it may be
 *  repeated. */
std::optional<RequestProgress::Event> RequestProgress::resend() {
    sender_.dequeued();
    if (clientGone_) {
        sender_.inFlight().countLeft(sender_.link(), times_.waited());
        return finish({Kind::CLIENT_LEFT}, State::ENDED);
    }
    if (!sender_.countResend()) {
        return broken("the request was sent too often, and no instance began it");
    }
    enter(State::UNSENT);
    try {
        send();
    } catch (const RefusedException &refusal) {
        if (state_ != State::REFUSED) {
            enter(State::ENDED);
        }
        return Reply::refused(refusal.status(), refusal.reportId(), refusal.what());
    }
    return std::nullopt;
}

bool RequestProgress::mayRepeat() const noexcept {
    return sender_.isRetryable() && !retried_ && !answered() && !sender_.body().begun() && !clientGone_;
}

/** The instance died. @param killed the agent killed the instance for a reason that may recur with
 *  the next instance */
std::optional<RequestProgress::Event> RequestProgress::instanceDied(bool killed) {
    if (killed || !mayRepeat()) {
        return endAsLost({Kind::LOST}, State::ENDED);
    }
    retried_ = true;
    times_.waitAnew();
    return resend();
}

/**
 * No process has the channel's other end any more: the pool process has ended, and the instance
 * too, if one had that end. An instance that claims a request has its channel. So an unclaimed
 * request was not begun, and cannot begin.
 */
std::optional<RequestProgress::Event> RequestProgress::channelEnded() {
    if (!sender_.channel()) {
        enter(State::ENDED);
        return Reply::refused(503, "", "the agent ended while it was asked for a reply channel");
    }
    withdrawal().mark();
    const bool begun = !waits() || claimed();
    if (begun ? !mayRepeat() || withdrawal().killedWith() : !sender_.body().rewind()) {
        return endAsLost({Kind::LOST}, State::CUT_OFF);
    }
    if (begun) {
        retried_ = true;
        times_.waitAnew();
    }
    sender_.leave(false);
    return resend();
}

std::optional<RequestProgress::Event> RequestProgress::look(std::span<char> buffer) {
    if (withdrawal().held()) {
        noteBegun();
        sender_.body().noteTaken(*sender_.channel());
        return std::nullopt;
    }
    if (withdrawal().diedWith() || !waits()) {
        return lookForEnd(buffer);
    }
    const QueueLink &link = sender_.link();
    const bool queueIsOld =
        host_->generations().generation(link.groupSlot) != link.generation || RequestQueue::closed(link.sending.get());
    // An instance that took the request and has not claimed it in this long time is stopped or
    // dead.
    if (!queueIsOld && RequestQueue::hasWaiting(link.sending.get()) &&
        !overtaken_.overtaken(link.memory->senders, host_->generations().childSlots(), sender_.resends(),
                              options_.hasPriorityQueue())) {
        return std::nullopt;
    }
    return resendUnlessBegun(buffer);
}

/**
 * The request was claimed, and is no longer claimed. Either its last message is in the channel, or
 * its instance died and the agent cleared the claim. The request is withdrawn in any case. A cell
 * that changes while its two words are read can look like a claim of a request in the queue, also
 * like that of an instance that died.
 */
std::optional<RequestProgress::Event> RequestProgress::lookForEnd(std::span<char> buffer) {
    if (sender_.channel().receive(buffer)) {
        return message(buffer);
    }
    std::optional<Event> event;
    if (!withdrawn(buffer, event) && (event || !withdrawal().diedWith())) {
        return event;
    }
    return instanceDied(withdrawal().killedWith());
}

/** Instances have the agent's end of the channel, too. */
std::optional<RequestProgress::Event> RequestProgress::agentsMessage(const MessageHeader &header,
                                                                     std::span<char> buffer) {
    if (!sender_.channel().isAgents(buffer)) {
        return broken("an instance sent a message of type " + std::to_string(static_cast<unsigned>(header.type)) +
                      ", which only the agent may send, on the reply channel");
    }
    return header.type == MessageType::LOST ? instanceDied(header.status != 0) : hint(header, buffer);
}

/** RECHECK and REFUSED count only when the request is withdrawn. */
std::optional<RequestProgress::Event> RequestProgress::hint(const MessageHeader &header, std::span<char> buffer) {
    if (!waits()) {
        return std::nullopt;
    }
    if (header.type == MessageType::RECHECK) {
        return resendUnlessBegun(buffer);
    }
    const std::span<char> payload = sender_.channel().agentsPayload(buffer);
    const std::size_t idLength = std::min<std::size_t>(header.headLength, payload.size());
    const std::string_view text(payload.data(), payload.size());
    Reply refusal =
        Reply::refused(header.status, std::string(text.substr(0, idLength)), std::string(text.substr(idLength)));
    std::optional<Event> event;
    if (!withdrawn(buffer, event)) {
        return event;
    }
    sender_.inFlight().countNotStarted(sender_.link());
    return finish(std::move(refusal), State::ENDED);
}

std::optional<RequestProgress::Event> RequestProgress::clientLeft(std::span<char> buffer) {
    clientGone_ = true;
    std::optional<Event> event;
    if (waits() && withdrawn(buffer, event)) {
        sender_.inFlight().countLeft(sender_.link(), times_.waited());
        return finish({Kind::CLIENT_LEFT}, State::ENDED);
    }
    if (event) {
        return event;
    }
    sender_.inFlight().countLeft(sender_.link(), times_.waitedUntilBegun());
    return finish({Kind::CLIENT_LEFT}, State::CUT_OFF);
}

std::optional<RequestProgress::Event> RequestProgress::queueTimeUp(std::span<char> buffer) {
    std::optional<Event> event;
    if (!withdrawn(buffer, event)) {
        return event;
    }
    sender_.inFlight().countTimedOut(sender_.link(), times_.waited());
    return finish(Reply::waitedTooLong(options_.maxQueueTime), State::ENDED);
}

RequestProgress::Event RequestProgress::timedOut(std::span<char> buffer) {
    std::optional<Event> event;
    // After SKIPPED the request waits again, under a new ticket.
    do {
        if (withdrawn(buffer, event)) {
            sender_.inFlight().countTimedOut(sender_.link(), times_.waited());
            return finish({Kind::TIMED_OUT}, State::ENDED);
        }
    } while (!event && waits());
    if (event) {
        return std::move(*event);
    }
    sender_.inFlight().countOverran(sender_.link());
    return finish({Kind::TIMED_OUT}, State::CUT_OFF);
}

void RequestProgress::tellSlow() noexcept {
    slowTold_ = host_->tellSlow(sender_.link(), sender_.channel()->id(), sender_.ticket(), options_.slowRequestTime);
}

RequestProgress::Event RequestProgress::overran() noexcept {
    host_->tellOverrun(sender_.link(), sender_.channel()->id(), sender_.ticket(), options_.maxRequestTime);
    sender_.inFlight().countOverran(sender_.link());
    return finish(Reply::workedTooLong(options_.maxRequestTime), State::CUT_OFF);
}

}  // namespace Passenger
