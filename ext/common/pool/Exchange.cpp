#include "pool/Exchange.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>

#include "base/Clock.h"
#include "base/Exceptions.h"
#include "io/RequestQueue.h"

namespace Passenger {

using std::chrono::milliseconds;

namespace {

/** After so long without a message the exchange looks for itself whether its instance and its line still exist. */
constexpr milliseconds LOOK_INTERVAL{1000};
/** So often a line may be found closed in a row before the exchange gives up. */
constexpr int MAX_RELINKS = 20;

}  // namespace

Exchange::~Exchange() {
    if (!channel_) {
        return;
    }
    if (!over_ || !clean_) {
        link_->memory->marks.withdraw(channel_->id(), ticket_);
    }
    dequeued();
    // BODY messages that no instance took would be read by the channel's next exchange.
    const bool reusable = over_ && clean_ && (!bodyBegun_ || channel_->drained());
    if (!reusable) {
        channel_->shutDown();
    }
    host_->giveBack(std::move(channel_), reusable);
}

void Exchange::start(const Session::Request &request, std::uint8_t flags) {
    if (request.environment.size() > MAX_ENVIRONMENT) {
        throw ProtocolException("the request's head is over the limit of 1 MiB");
    }
    request_ = request;
    flags_ = flags;
    if (request.headRequest) {
        flags_ |= HEAD_REQUEST;
    }
    headInRequest_ = std::min(request.environment.size(), MAX_MESSAGE - sizeof(RequestHeader));
    headSent_ = headInRequest_;
    if (sizeof(RequestHeader) + headInRequest_ + request.body.size() > MAX_MESSAGE) {
        throw ProtocolException("the body given with the request is over the limit of a message");
    }
    const bool headIsCut = headInRequest_ < request.environment.size();
    if (request.bodyFollows || headIsCut) {
        flags_ |= BODY_FOLLOWS;
        bodyDone_ = false;
    }
    // With no body to follow, receive() sends what is left of the head.
    onlyHeadFollows_ = headIsCut && !request.bodyFollows;
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
            if (bodyBegun_) {
                throw EndOfFileException("the request's body went to a channel whose agent is gone");
            }
            channel_->shutDown();
            host_->giveBack(std::move(channel_), false);
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

void Exchange::enqueue() {
    for (int attempt = 0; attempt < MAX_RELINKS; attempt++) {
        ticket_ = channel_->nextTicket();
        const MonotonicTime now = SystemClock::instance().now();
        RequestHeader header{};
        header.version = LAYOUT_VERSION;
        header.flags = flags_;
        header.resends = resends_;
        header.headLength = static_cast<std::uint32_t>(request_.environment.size());
        header.channel = channel_->id().value();
        header.ticket = ticket_.value();
        header.sentAt = toNanoseconds(now);

        childSlot_ = host_->childSlot();
        host_->board().sending(channel_->boardEntry(), channel_->id(), ticket_, link_->groupSlot, now);
        const unsigned inFlight = link_->memory->marks.add(childSlot_, host_->generations().childSlots());
        counted_ = true;
        const RequestQueue::Outcome outcome =
            RequestQueue::send(link_->sending.get(), header, request_.environment.substr(0, headInRequest_), request_.body);
        if (outcome == RequestQueue::Outcome::QUEUED) {
            host_->board().sent(channel_->boardEntry());
            if (inFlight > host_->generations().capacity(link_->groupSlot) && link_->memory->marks.askForMore()) {
                host_->wakeAgent();
            }
            return;
        }
        dequeued();
        if (outcome == RequestQueue::Outcome::FULL) {
            over_ = true;
            clean_ = true;
            throw RefusedException(503, "", "the application's request queue is full");
        }
        // Not queued: no instance has seen this ticket, but BODY messages of an earlier one may lie in the channel, so it counts on.
        resends_++;
        relink(link_->generation);
    }
    over_ = true;
    throw IOException("the application's request queue was closed again and again");
}

/** Takes the exchange off the board and the count. */
void Exchange::dequeued() noexcept {
    if (counted_) {
        counted_ = false;
        host_->board().done(channel_->boardEntry());
        link_->memory->marks.remove(childSlot_);
    }
}

/** Sends the request again under a new ticket: it was not begun and cannot begin, or it may be repeated. */
Exchange::Event Exchange::resend() {
    dequeued();
    if (clientGone_) {
        return finish(Event::Kind::CLIENT_LEFT, true);
    }
    begun_ = false;
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

Exchange::Event Exchange::finish(Event::Kind kind, bool clean) {
    over_ = true;
    clean_ = clean;
    return Event{kind};
}

/** One message into the buffer; its size in messageSize_. False when none is here. */
bool Exchange::takeMessage(std::span<char> buffer) {
    descriptors_.clear();
    messageSize_ = channel_->receive(buffer, descriptors_);
    return messageSize_ > 0;
}

/**
 * Marks the ticket as withdrawn and finds out whether it was begun. The order matters: mark, barrier, claims, channel. An instance writes
 * its claim first and reads the mark then; so either it sees the mark and skips, or we see its claim, or its answer is in the channel.
 * ANSWERED: the message lies in the buffer.
 */
Exchange::Standing Exchange::withdraw(std::span<char> buffer) {
    link_->memory->marks.withdraw(channel_->id(), ticket_);
    if (link_->memory->claims.holds(channel_->id(), ticket_)) {
        begun_ = true;
        return Standing::BEGUN;
    }
    while (takeMessage(buffer)) {
        MessageHeader header;
        if (messageSize_ < sizeof(header)) {
            continue;
        }
        std::memcpy(&header, buffer.data(), sizeof(header));
        if (header.ticket == ticket_.value() && header.type != MessageType::RECHECK && header.type != MessageType::REFUSED) {
            return Standing::ANSWERED;
        }
    }
    return Standing::NOT_BEGUN;
}

bool Exchange::mayRepeat() const noexcept {
    return request_.retryable && !retried_ && !answered_ && !bodyBegun_ && !clientGone_;
}

Exchange::Event Exchange::lost() {
    if (mayRepeat()) {
        retried_ = true;
        return resend();
    }
    return finish(Event::Kind::LOST, true);
}

/** Nobody has the channel's other end any more: it went with the pool process, perhaps before an instance got it, or with the instance. */
Exchange::Event Exchange::channelEnded() {
    if (!mayRepeat()) {
        return finish(Event::Kind::LOST, false);
    }
    link_->memory->marks.withdraw(channel_->id(), ticket_);
    dequeued();
    host_->giveBack(std::move(channel_), false);
    return lost();
}

/** The look without a message: is the claim still there, the line still the current one? False: nothing to report. */
bool Exchange::look(std::span<char> buffer, Event &event) {
    const bool claimed = link_->memory->claims.holds(channel_->id(), ticket_);
    if (claimed) {
        begun_ = true;
        return false;
    }
    if (begun_ || answered_) {
        // It was claimed and is not any more: either its end is in the channel, or its instance died and was tidied up after.
        if (takeMessage(buffer)) {
            return handleMessage(buffer, event);
        }
        event = lost();
        return event.kind != Event::Kind::MESSAGE;
    }
    const bool lineIsOld = host_->generations().generation(link_->groupSlot) != link_->generation ||
                           RequestQueue::closed(link_->sending.get());
    if (!lineIsOld && RequestQueue::hasWaiting(link_->sending.get())) {
        return false;
    }
    switch (withdraw(buffer)) {
        case Standing::ANSWERED:
            return handleMessage(buffer, event);
        case Standing::BEGUN:
            return false;
        case Standing::NOT_BEGUN:
            event = resend();
            return event.kind != Event::Kind::MESSAGE;
    }
    return false;
}

/** A message that is in the buffer. True: the event is for the caller. */
bool Exchange::handleMessage(std::span<char> buffer, Event &event) {
    MessageHeader header;
    if (messageSize_ >= sizeof(header)) {
        std::memcpy(&header, buffer.data(), sizeof(header));
    }
    if (messageSize_ < sizeof(header) || header.ticket != ticket_.value()) {
        discarded_ += messageSize_;
        if (discarded_ <= MAX_DISCARDED) {
            return false;
        }
        event = finish(Event::Kind::BROKEN, false);
        event.text = "more than 1 MiB of stale or malformed messages on the reply channel";
        return true;
    }
    event.header = header;
    event.payload = buffer.subspan(sizeof(header), messageSize_ - sizeof(header));
    switch (header.type) {
        case MessageType::RESPONSE:
        case MessageType::DATA:
        case MessageType::INTERIM:
        case MessageType::ACCEPTED:
        case MessageType::ABORTED:
            begun_ = true;
            answered_ = true;
            event.kind = Event::Kind::MESSAGE;
            event.descriptors = std::move(descriptors_);
            return true;
        case MessageType::SKIPPED:
            event = resend();
            return event.kind != Event::Kind::MESSAGE;
        case MessageType::LOST:
            event = lost();
            return event.kind != Event::Kind::MESSAGE;
        case MessageType::RECHECK:
        case MessageType::REFUSED:
            return handleHint(buffer, event);
        default:
            event = finish(Event::Kind::BROKEN, false);
            event.text = "a message of unknown type " + std::to_string(static_cast<unsigned>(header.type)) + " on the reply channel";
            return true;
    }
}

/** RECHECK and REFUSED: withdraw first, then believe. */
bool Exchange::handleHint(std::span<char> buffer, Event &event) {
    if (begun_ || answered_) {
        return false;
    }
    const MessageHeader header = event.header;
    std::string payload(event.payload.data(), event.payload.size());
    switch (withdraw(buffer)) {
        case Standing::ANSWERED:
            return handleMessage(buffer, event);
        case Standing::BEGUN:
            return false;
        case Standing::NOT_BEGUN:
            break;
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

Exchange::Event Exchange::receive(std::span<char> buffer, int clientSocket, milliseconds timeout) {
    using ClockType = std::chrono::steady_clock;
    const bool limited = timeout >= milliseconds(0);
    const auto deadline = ClockType::now() + (limited ? timeout : milliseconds(0));
    Event event{Event::Kind::MESSAGE};
    if (takePending(buffer, event)) {
        return event;
    }
    try {
        // In the middle of an answer the next message is probably here already; its beginning always has to be waited for.
        if (answered_ && takeMessage(buffer) && handleMessage(buffer, event)) {
            return event;
        }
        for (;;) {
            milliseconds wait = LOOK_INTERVAL;
            if (limited) {
                const auto left = std::chrono::ceil<milliseconds>(deadline - ClockType::now());
                if (left <= milliseconds(0)) {
                    return giveUp(Event::Kind::TIMED_OUT, buffer);
                }
                wait = std::min(wait, left);
            }
            const bool headWaits = onlyHeadFollows_ && !push("", true, nullptr);
            const bool watchClient = clientSocket >= 0 && !begun_ && !clientGone_;
            pollfd entries[2] = {{channel_->descriptor(), static_cast<short>(headWaits ? POLLIN | POLLOUT : POLLIN), 0},
                                 {watchClient ? clientSocket : -1, POLLRDHUP, 0}};
            const int ready = poll(entries, 2, static_cast<int>(wait.count()));
            if (ready < 0 && errno != EINTR) {
                throw SystemException("poll() on a reply channel", errno);
            }
            if (ready == 0) {
                if (look(buffer, event)) {
                    return event;
                }
            } else if (ready > 0 && (entries[0].revents & ~POLLOUT) != 0) {
                while (takeMessage(buffer)) {
                    if (handleMessage(buffer, event)) {
                        return event;
                    }
                }
            } else if (ready > 0 && entries[1].revents != 0) {
                clientGone_ = true;
                event = giveUp(Event::Kind::CLIENT_LEFT, buffer);
                if (event.kind != Event::Kind::CLIENT_LEFT || over_) {
                    return event;
                }
            }
        }
    } catch (const EndOfFileException &) {
        event = channelEnded();
        if (event.kind != Event::Kind::MESSAGE) {
            return event;
        }
    } catch (const ProtocolException &error) {
        event = finish(Event::Kind::BROKEN, false);
        event.text = error.what();
        return event;
    }
    // It was sent again, on another channel.
    const auto left = std::chrono::ceil<milliseconds>(deadline - ClockType::now());
    return receive(buffer, clientSocket, limited ? std::max(milliseconds(0), left) : timeout);
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
    if (standing == Standing::NOT_BEGUN || kind == Event::Kind::TIMED_OUT) {
        return finish(kind, standing == Standing::NOT_BEGUN);
    }
    return Event{kind};
}

/** What sendBody() found and could not deliver. */
bool Exchange::takePending(std::span<char> buffer, Event &event) {
    if (!pending_) {
        return false;
    }
    event = std::move(*pending_);
    pending_.reset();
    std::copy(event.payload.begin(), event.payload.end(), buffer.begin());
    event.payload = buffer.first(event.payload.size());
    return true;
}

/** Sends the next piece of head or body, if the channel has room. False: it has none. */
bool Exchange::push(std::string_view block, bool last, std::size_t *taken) {
    while (!bodyDone_) {
        const std::string_view headRest = request_.environment.substr(headSent_);
        const std::string_view source = headRest.empty() ? block : headRest;
        const std::string_view piece = source.substr(0, MAX_MESSAGE - sizeof(MessageHeader));
        const bool isLast = last && piece.size() == source.size() && (headRest.empty() || block.empty());
        if (piece.empty() && !isLast) {
            break;
        }
        MessageHeader header{};
        header.ticket = ticket_.value();
        header.type = MessageType::BODY;
        header.flags = isLast ? LAST : 0;
        if (!channel_->send(header, piece)) {
            return false;
        }
        bodyBegun_ = true;
        bodyDone_ = isLast;
        if (!headRest.empty()) {
            headSent_ += piece.size();
        } else {
            block.remove_prefix(piece.size());
            *taken += piece.size();
        }
    }
    return true;
}

std::size_t Exchange::sendBody(std::string_view block, bool last) {
    std::size_t taken = 0;
    while (!over_ && !pending_ && !push(block.substr(taken), last, &taken)) {
        // Whoever sends BODY waits for both directions: an instance that answers first may never read the rest.
        pollfd entry{channel_->descriptor(), POLLIN | POLLOUT, 0};
        const int ready = poll(&entry, 1, static_cast<int>(LOOK_INTERVAL.count()));
        if (ready < 0 && errno != EINTR) {
            throw SystemException("poll() on a reply channel", errno);
        }
        if (ready == 0 || (ready > 0 && (entry.revents & POLLOUT) == 0)) {
            collect(ready == 0);
        }
    }
    return taken;
}

bool Exchange::replyWaiting() {
    if (pending_ || over_ || !channel_->readable()) {
        return pending_.has_value();
    }
    // In the middle of an answer what comes is more of it. Before, it may be stale, or a hint: nothing that receive() would return with.
    return answered_ || collect(false);
}

/** Takes what is in the channel, or looks without a message; keeps the first event that is for the caller. True: there is one. */
bool Exchange::collect(bool lookAround) {
    lookBuffer_.resize(MAX_MESSAGE);
    Event event{Event::Kind::MESSAGE};
    bool found = false;
    try {
        if (lookAround) {
            found = look(lookBuffer_, event);
        }
        while (!found && takeMessage(lookBuffer_)) {
            found = handleMessage(lookBuffer_, event);
        }
    } catch (const EndOfFileException &) {
        event = finish(Event::Kind::LOST, false);
        found = true;
    } catch (const ProtocolException &error) {
        event = finish(Event::Kind::BROKEN, false);
        event.text = error.what();
        found = true;
    }
    if (found) {
        pending_ = std::move(event);
    }
    return found;
}

}  // namespace Passenger
