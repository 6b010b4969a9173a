#include "pool/Exchange.h"

#include <poll.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

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
    request_ = request;
    flags_ = flags;
    if (request.headRequest) {
        flags_ |= HEAD_REQUEST;
    }
    body_ = BodySender(request.environment, request.bodyFollows);
    if (sizeof(RequestHeader) + body_.headInRequest().size() + request.body.size() > MAX_MESSAGE) {
        throw ProtocolException("the body given with the request is over the limit of a message");
    }
    if (!body_.done()) {
        flags_ |= BODY_FOLLOWS;
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
            if (body_.begun()) {
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
            RequestQueue::send(link_->sending.get(), header, body_.headInRequest(), request_.body);
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

/** Drops a message, stale or malformed. @throws ProtocolException when it is too much of that */
void Exchange::discard() {
    discarded_ += messageSize_;
    if (discarded_ > MAX_DISCARDED) {
        throw ProtocolException("more than 1 MiB of stale or malformed messages on the reply channel");
    }
}

/** A message that is in the buffer. True: the event is for the caller. */
bool Exchange::handleMessage(std::span<char> buffer, Event &event) {
    MessageHeader header;
    if (messageSize_ >= sizeof(header)) {
        std::memcpy(&header, buffer.data(), sizeof(header));
    }
    if (messageSize_ < sizeof(header) || header.ticket != ticket_.value()) {
        discard();
        return false;
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
            event.text = "a message of unknown type " + std::to_string(static_cast<unsigned>(header.type)) +
                         " on the reply channel";
            return true;
    }
}

Exchange::Event Exchange::receive(std::span<char> buffer, int clientSocket, milliseconds timeout) {
    using ClockType = std::chrono::steady_clock;
    const bool limited = timeout >= milliseconds(0);
    const auto deadline = ClockType::now() + (limited ? timeout : milliseconds(0));
    bool looked = false;
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
            const bool headWaits = body_.onlyHeadFollows() && !body_.sendHead(*channel_, ticket_);
            const bool watchClient = clientSocket >= 0 && !begun_ && !clientGone_;
            // A client that only closed its sending side is told apart by nothing. It gets a second, which an idle application needs no part of.
            const short left = looked ? POLLRDHUP : 0;
            pollfd entries[2] = {{channel_->descriptor(), static_cast<short>(headWaits ? POLLIN | POLLOUT : POLLIN), 0},
                                 {watchClient ? clientSocket : -1, left, 0}};
            const int ready = poll(entries, 2, static_cast<int>(wait.count()));
            if (ready < 0 && errno != EINTR) {
                throw SystemException("poll() on a reply channel", errno);
            }
            if (ready == 0) {
                looked = true;
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

std::size_t Exchange::sendBody(std::string_view block, bool last) {
    std::size_t taken = 0;
    while (!over_ && !pending_ && !body_.send(*channel_, ticket_, block.substr(taken), last, taken)) {
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
