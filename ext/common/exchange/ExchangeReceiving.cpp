// The part of Exchange that waits: for messages, for room in the channel, for time to be up.

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/Exceptions.h"
#include "exchange/Exchange.h"

namespace Passenger {

using std::chrono::milliseconds;

namespace {

/** After so long without a message the exchange looks for itself whether its instance and its line still exist. */
constexpr milliseconds LOOK_INTERVAL{1000};
/** The agent has died: the next one closes the line as soon as it is up, and cannot tell whom its predecessor knew. */
constexpr milliseconds LOOK_INTERVAL_WITHOUT_AGENT{20};
/** A client that no socket tells about is asked for so often. */
constexpr milliseconds ASK_INTERVAL{250};
}  // namespace

/** One message into the buffer; its size in messageSize_. False when none is here. */
bool Exchange::takeMessage(std::span<char> buffer, ReplyChannel::Waiting waiting) {
    descriptors_.clear();
    messageSize_ = channel_->receive(buffer, descriptors_, waiting);
    return messageSize_ > 0;
}

/** Drops a message, stale or malformed. @throws ProtocolException when it is too much of that */
void Exchange::discard() {
    discarded_ += messageSize_;
    if (discarded_ > MAX_DISCARDED) {
        throw ProtocolException("more than 1 MiB of stale or malformed messages on the reply channel");
    }
}

/** A part of the answer, for the caller. */
bool Exchange::deliver(Event &event) {
    // The other messages do not say when that was.
    const bool says = event.header.type == MessageType::RESPONSE || event.header.type == MessageType::HIJACKED;
    begunAt(says ? sentAt_ + queued_ : host_->clock().now());
    begun_ = true;
    answered_ = true;
    event.kind = Event::Kind::MESSAGE;
    event.descriptors = std::move(descriptors_);
    return true;
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
        case MessageType::HIJACKED:
            queued_ = std::chrono::microseconds(header.queued);
            return deliver(event);
        case MessageType::ACCEPTED:
            queued_ = std::chrono::duration_cast<std::chrono::microseconds>(host_->clock().now() - sentAt_);
            return deliver(event);
        case MessageType::DATA:
        case MessageType::INTERIM:
        case MessageType::ABORTED:
            return deliver(event);
        case MessageType::SKIPPED:
            event = resend();
            return event.kind != Event::Kind::MESSAGE;
        case MessageType::LOST:
            event = lost(header.status != 0);
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

/** The time that requests may wait ends then. Nothing: there is no such limit, or it was begun. */
std::optional<MonotonicTime> Exchange::queueDeadline() const noexcept {
    if (begun_ || answered_) {
        return std::nullopt;
    }
    if (limits_.time <= milliseconds(0)) {
        return host_->endOfWaiting();
    }
    return waitingSince_ + limits_.time;
}

/** An instance may work at the request until then. Nothing: there is no such limit, or it was not seen to begin. */
std::optional<MonotonicTime> Exchange::workDeadline() const noexcept {
    return limits_.work > milliseconds(0) && begunAt_ ? std::optional(*begunAt_ + limits_.work) : std::nullopt;
}

bool Exchange::workIsUp() const noexcept {
    return timeLeft(workDeadline()) == milliseconds(0);
}

milliseconds Exchange::lookInterval() const noexcept {
    return agentDied_ && !begun_ && !answered_ ? LOOK_INTERVAL_WITHOUT_AGENT : LOOK_INTERVAL;
}

void Exchange::agentDied() noexcept {
    agentLife_ = -1;
    agentDied_ = true;
}

/** How long a wait may be: to the deadline, and not longer than until the next look. Zero: the deadline is past. */
milliseconds Exchange::timeLeft(const std::optional<MonotonicTime> &deadline) const noexcept {
    if (!deadline) {
        return lookInterval();
    }
    const auto left = std::chrono::ceil<milliseconds>(*deadline - host_->clock().now());
    return std::clamp(left, milliseconds(0), lookInterval());
}

/**
 * In the middle of an answer the next message is probably here already. Its beginning always has to be waited for, but seldom for long:
 * for a moment, nobody looks whether the client is still there.
 */
ReplyChannel::Waiting Exchange::firstWait(const Wait &wait) const noexcept {
    const bool deadlineNear =
        timeLeft(queueDeadline()) <= ReplyChannel::PATIENCE || timeLeft(wait.deadline) <= ReplyChannel::PATIENCE;
    return answered_ || deadlineNear || body_.owes() ? ReplyChannel::Waiting::NEVER
                                                     : ReplyChannel::Waiting::FOR_A_MOMENT;
}

Exchange::Event Exchange::receive(std::span<char> buffer, const Session::Client &client, milliseconds timeout) {
    Event event{Event::Kind::MESSAGE};
    if (takePending(buffer, event)) {
        return event;
    }
    Wait wait{client, std::nullopt, false};
    if (timeout >= milliseconds(0)) {
        wait.deadline = host_->clock().now() + timeout;
    }
    // An answer without end must not be either; there is nothing to wait for within it.
    if (answered_ && workIsUp() && claimed()) {
        return overran();
    }
    // Goes round when the request was sent again on another channel.
    for (;;) {
        try {
            if (takeMessage(buffer, firstWait(wait)) && handleMessage(buffer, event)) {
                return event;
            }
            while (!waitOnce(wait, buffer, event)) {
            }
            return event;
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
    }
}

/** Waits for a message, the client's leaving or a deadline. True: the event is for the caller. */
bool Exchange::waitOnce(Wait &wait, std::span<char> buffer, Event &event) {
    const milliseconds queueTime = timeLeft(queueDeadline());
    if (queueTime == milliseconds(0)) {
        return leaveQueue(buffer, event);
    }
    if (workIsUp()) {
        if (takeMessage(buffer) && handleMessage(buffer, event)) {
            return true;
        }
        event = overran();
        return true;
    }
    milliseconds time = std::min({queueTime, timeLeft(workDeadline()), timeLeft(wait.deadline)});
    if (time == milliseconds(0)) {
        event = giveUp(Event::Kind::TIMED_OUT, buffer);
        return true;
    }
    const bool watchClient = !begun_ && !clientGone_;
    if (watchClient && wait.client.hasLeft != nullptr) {
        if (wait.client.hasLeft(wait.client.of)) {
            return clientLeft(buffer, event);
        }
        time = std::min(time, ASK_INTERVAL);
    }
    const bool bodyWaits = owedWaits();
    // A client that only closed its sending side is told apart by nothing. It gets a second, which an idle application needs no part of.
    const short left = wait.looked ? POLLRDHUP : 0;
    pollfd entries[3] = {{channel_->descriptor(), static_cast<short>(bodyWaits ? POLLIN | POLLOUT : POLLIN), 0},
                         {watchClient ? wait.client.socket : -1, left, 0},
                         {begun_ ? -1 : agentLife_, 0, 0}};
    const int ready = poll(entries, 3, static_cast<int>(time.count()));
    if (ready < 0 && errno != EINTR) {
        throw SystemException("poll() on a reply channel", errno);
    }
    if (ready == 0) {
        wait.looked = wait.looked || !agentDied_;
        return look(buffer, event);
    }
    if (ready > 0 && entries[2].revents != 0) {
        agentDied();
    }
    if (ready > 0 && (entries[0].revents & ~POLLOUT) != 0) {
        while (takeMessage(buffer)) {
            if (handleMessage(buffer, event)) {
                return true;
            }
        }
    } else if (ready > 0 && entries[1].revents != 0) {
        return clientLeft(buffer, event);
    }
    return false;
}

/** True: the event is for the caller. */
bool Exchange::clientLeft(std::span<char> buffer, Event &event) {
    clientGone_ = true;
    event = giveUp(Event::Kind::CLIENT_LEFT, buffer);
    return event.kind != Event::Kind::CLIENT_LEFT || over_;
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

bool Exchange::replyWaiting() {
    if (pending_ || over_) {
        return pending_.has_value();
    }
    // In the middle of an answer what comes is more of it. Before, it may be stale, or a hint: nothing that receive() would return with.
    if (answered_) {
        return channel_->readable();
    }
    return (channel_->readable() || timeLeft(queueDeadline()) == milliseconds(0)) && collect(false);
}

Session::Waited Exchange::awaitReply(int writable, milliseconds timeout) {
    if (pending_ || over_ || workIsUp()) {
        return {true, false};
    }
    pollfd entries[2] = {{channel_->descriptor(), POLLIN, 0}, {writable, POLLOUT, 0}};
    const milliseconds time = std::min({timeout, lookInterval(), timeLeft(workDeadline())});
    const int ready = poll(entries, 2, static_cast<int>(time.count()));
    if (ready < 0 && errno != EINTR) {
        throw SystemException("poll() on a reply channel", errno);
    }
    if (ready <= 0) {
        return {ready == 0 && timeout >= lookInterval() && collect(true), false};
    }
    return {entries[0].revents != 0, entries[1].revents != 0};
}

/** Takes what is in the channel, or looks without a message; keeps the first event that is for the caller. True: there is one. */
bool Exchange::collect(bool lookAround) {
    lookBuffer_.resize(MAX_MESSAGE);
    Event event{Event::Kind::MESSAGE};
    bool found = false;
    try {
        if (timeLeft(queueDeadline()) == milliseconds(0)) {
            found = leaveQueue(lookBuffer_, event);
        } else if (lookAround) {
            found = look(lookBuffer_, event);
        }
        while (!found && takeMessage(lookBuffer_)) {
            found = handleMessage(lookBuffer_, event);
        }
        if (!found && workIsUp()) {
            event = overran();
            found = true;
        }
    } catch (const EndOfFileException &) {
        event = channelEnded();
        found = event.kind != Event::Kind::MESSAGE;
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
