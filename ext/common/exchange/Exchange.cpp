#include "exchange/Exchange.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger {

using std::chrono::milliseconds;

namespace {

/** After this time without a message the exchange checks that its instance, or its queue, still
 *  exists. */
constexpr milliseconds LOOK_INTERVAL{1000};
/**
 * The interval of these checks while there is no agent. The next agent closes the queue as soon as
 * it runs. That agent does not know the requests of the last agent, so it can send them no message.
 */
constexpr milliseconds LOOK_INTERVAL_WITHOUT_AGENT{20};
/** Up to this size a body is kept without a check whether an instance has begun. */
constexpr std::size_t KEPT_WITHOUT_LOOK = 64 * 1024;

}  // namespace

std::optional<MonotonicTime> Exchange::queueDeadline() const noexcept {
    return progress_.waits() ? progress_.times().queueDeadline() : std::nullopt;
}

milliseconds Exchange::lookInterval() const noexcept {
    return progress_.sender().agentIsDead() && progress_.waits() ? LOOK_INTERVAL_WITHOUT_AGENT : LOOK_INTERVAL;
}

/** The longest wait: until the deadline, but not beyond the next look. Zero: the deadline is
 *  past. */
milliseconds Exchange::timeLeft(const std::optional<MonotonicTime> &deadline) const noexcept {
    if (!deadline) {
        return lookInterval();
    }
    const auto left = std::chrono::ceil<milliseconds>(*deadline - progress_.times().now());
    return std::clamp(left, milliseconds(0), lookInterval());
}

std::optional<Exchange::Event> Exchange::nextMessage(std::span<char> buffer, ReplyChannel::Waiting waiting) {
    return progress_.sender().channel().receive(buffer, waiting) ? progress_.message(buffer) : std::nullopt;
}

/**
 * Within an answer the next message has probably arrived. The first message of an answer needs a
 * wait, which is seldom long. During this short wait the client is not watched.
 */
ReplyChannel::Waiting Exchange::firstWait(milliseconds timeout) const noexcept {
    const bool mayWait = !progress_.answered() && !progress_.sender().body().owes() &&
                         (timeout < milliseconds(0) || timeout > ReplyChannel::PATIENCE) &&
                         timeLeft(queueDeadline()) > ReplyChannel::PATIENCE;
    return mayWait ? ReplyChannel::Waiting::FOR_A_MOMENT : ReplyChannel::Waiting::NEVER;
}

Exchange::Event Exchange::receive(std::span<char> buffer, const MessageSession::Client &client, milliseconds timeout) {
    if (pending_) {
        return takePending(buffer);
    }
    std::optional<MonotonicTime> deadline;
    if (timeout >= milliseconds(0)) {
        deadline = progress_.times().now() + timeout;
    }
    ReplyWait wait(client, deadline);
    // An answer whose next message is always there never waits, so its time limit is checked here.
    if (progress_.answered() && progress_.times().workIsUp() && progress_.claimed()) {
        return progress_.overran();
    }
    ReplyChannel::Waiting waiting = firstWait(timeout);
    for (;;) {
        if (std::optional<Event> event = waitOnChannel(waiting, wait, buffer)) {
            return std::move(*event);
        }
        waiting = ReplyChannel::Waiting::NEVER;
    }
}

/** Waits for an event. Nothing: the request was sent again on another channel. */
std::optional<Exchange::Event> Exchange::waitOnChannel(ReplyChannel::Waiting waiting, ReplyWait &wait,
                                                       std::span<char> buffer) {
    try {
        std::optional<Event> event = nextMessage(buffer, waiting);
        while (!event) {
            event = waitOnce(wait, buffer);
        }
        return event;
    } catch (const EndOfFileException &) {
        return progress_.channelEnded();
    } catch (const ProtocolException &error) {
        return progress_.broken(error.what());
    }
}

/** Waits for a message, the client's leaving or a deadline. */
std::optional<Exchange::Event> Exchange::waitOnce(ReplyWait &wait, std::span<char> buffer) {
    const milliseconds queueTime = timeLeft(queueDeadline());
    if (queueTime == milliseconds(0)) {
        return progress_.queueTimeUp(buffer);
    }
    if (progress_.times().workIsUp()) {
        std::optional<Event> event = nextMessage(buffer);
        return event ? std::move(event) : progress_.overran();
    }
    const auto slowDate = progress_.slowDate();
    const bool isSlow = slowDate && *slowDate <= progress_.times().now();
    if (isSlow) {
        progress_.tellSlow();
    }
    const milliseconds time =
        std::min({queueTime, timeLeft(progress_.times().workDeadline()), timeLeft(wait.deadline())});
    if (time == milliseconds(0)) {
        return progress_.timedOut(buffer);
    }
    if (wait.clientSaysLeft()) {
        return progress_.clientLeft(buffer);
    }
    RequestSender &sender = progress_.sender();
    const bool bodyWaits = owedBodyWaits();
    const ReplyWait::Found found = wait.poll({.channel = sender.channel()->descriptor(),
                                              .room = bodyWaits,
                                              .agentLife = progress_.waits() ? sender.agentLife() : -1},
                                             isSlow ? time : std::min(time, timeLeft(slowDate)));
    if (found.timeUp) {
        // A client that has only closed its sending side has this interval to get an answer, or the
        // next part of it.
        if (!sender.agentIsDead()) {
            wait.watchClosely();
        }
        return progress_.look(buffer);
    }
    if (found.agentDied) {
        sender.agentDied();
    }
    if (found.message) {
        while (sender.channel().receive(buffer)) {
            if (std::optional<Event> event = progress_.message(buffer)) {
                return event;
            }
        }
        return std::nullopt;
    }
    return found.clientLeft ? progress_.clientLeft(buffer) : std::nullopt;
}

Exchange::Event Exchange::takePending(std::span<char> buffer) {
    Event event = std::move(*pending_);
    pending_.reset();
    std::copy(event.payload.begin(), event.payload.end(), buffer.begin());
    event.payload = buffer.first(event.payload.size());
    return event;
}

std::optional<MessageSession::Times> Exchange::times() const noexcept {
    if (!progress_.times().begun()) {
        return std::nullopt;
    }
    const ExchangeTimes::Durations durations = progress_.times().durations();
    return MessageSession::Times{durations.queue, durations.service};
}

bool Exchange::replyWaiting() {
    if (pending_ || progress_.over()) {
        return pending_.has_value();
    }
    // Within an answer each message belongs to the answer. Before it, a message can be stale or a
    // hint, which receive() passes over.
    const ReplyChannel &channel = *progress_.sender().channel();
    if (progress_.answered()) {
        return channel.readable();
    }
    return (channel.readable() || timeLeft(queueDeadline()) == milliseconds(0)) && collect(Cause::MESSAGE);
}

MessageSession::Waited Exchange::awaitReply(int socket, MessageSession::Awaited awaited, milliseconds timeout) {
    if (pending_ || progress_.over()) {
        return {true, false};
    }
    if (progress_.times().workIsUp()) {
        return {collect(Cause::MESSAGE), false};
    }
    const MonotonicTime before = progress_.times().now();
    const short events = awaited == MessageSession::Awaited::ROOM ? POLLOUT : POLLIN;
    pollfd entries[2] = {{progress_.sender().channel()->descriptor(), POLLIN, 0}, {socket, events, 0}};
    const int ready =
        pollChannel(entries, std::min({timeout, lookInterval(), timeLeft(progress_.times().workDeadline())}));
    // The instance has all bytes that the client has sent, and waits for the client, too.
    if (awaited == MessageSession::Awaited::BYTES && progress_.sender().channel()->drained() &&
        progress_.seeWhetherBegun()) {
        excuse(progress_.times().now() - before);
    }
    if (ready <= 0) {
        return {ready == 0 && timeout >= lookInterval() && collect(Cause::LOOK), false};
    }
    return {entries[0].revents != 0, entries[1].revents != 0};
}

/** Keeps the first event of the cause or of the channel's messages. @return whether there is one */
bool Exchange::collect(Cause cause) {
    lookBuffer_.resize(MAX_MESSAGE);
    try {
        pending_ = collected(cause);
    } catch (const EndOfFileException &) {
        pending_ = progress_.channelEnded();
    } catch (const ProtocolException &error) {
        pending_ = progress_.broken(error.what());
    }
    return pending_.has_value();
}

std::optional<Exchange::Event> Exchange::collected(Cause cause) {
    std::optional<Event> event;
    if (timeLeft(queueDeadline()) == milliseconds(0)) {
        event = progress_.queueTimeUp(lookBuffer_);
    } else if (cause == Cause::LOOK) {
        event = progress_.look(lookBuffer_);
    } else if (cause == Cause::CLIENT_LEFT) {
        event = progress_.clientLeft(lookBuffer_);
    }
    while (!event && progress_.sender().channel().receive(lookBuffer_)) {
        event = progress_.message(lookBuffer_);
    }
    if (!event && progress_.times().workIsUp()) {
        event = progress_.overran();
    }
    return event;
}

std::size_t Exchange::sendBody(std::string_view block, bool last) {
    std::size_t taken = 0;
    ReplyWait wait(client_, std::nullopt);
    while (!progress_.over() && !pending_ && !sendBlock(block, last, taken)) {
        awaitRoom(wait);
    }
    return taken;
}

/** Waits for both directions: an instance that answers first may never read the rest. */
void Exchange::awaitRoom(ReplyWait &wait) {
    if (wait.clientSaysLeft()) {
        collect(Cause::CLIENT_LEFT);
        return;
    }
    RequestSender &sender = progress_.sender();
    const ReplyWait::Found found =
        wait.poll({.channel = sender.channel()->descriptor(),
                   .room = true,
                   .agentLife = progress_.waits() ? sender.agentLife() : -1},
                  std::min(timeLeft(queueDeadline()), timeLeft(progress_.times().workDeadline())));
    if (found.agentDied) {
        sender.agentDied();
    }
    if (found.timeUp) {
        if (!sender.agentIsDead()) {
            wait.watchClosely();
        }
        collect(Cause::LOOK);
    } else if (found.clientLeft) {
        collect(Cause::CLIENT_LEFT);
    } else if (found.message && !found.room) {
        collect(Cause::MESSAGE);
    }
}

void Exchange::breakBody() noexcept {
    if (!progress_.over() && !bodyDone()) {
        progress_.sender().channel()->shutDownBody();
    }
}

/** Sends as much as the channel takes. @return false: not all, and no event is pending */
bool Exchange::sendBlock(std::string_view block, bool last, std::size_t &taken) {
    RequestSender &sender = progress_.sender();
    const ChannelId channel = sender.channel()->id();
    forgetBody();
    try {
        return sender.body().send(*sender.channel(), sender.ticket(), block.substr(taken), last, taken);
    } catch (const EndOfFileException &) {
        if (!collect(Cause::MESSAGE) && sender.channel()->id() == channel) {
            pending_ = progress_.broken("the instance closed the reply channel for the request's body alone");
        }
        return pending_.has_value();
    }
}

/** Sends the bytes that the BodySender owes. @return whether they wait for room in the channel */
bool Exchange::owedBodyWaits() {
    RequestSender &sender = progress_.sender();
    if (!sender.body().owes()) {
        return false;
    }
    try {
        return !sender.body().sendOwed(*sender.channel(), sender.ticket());
    } catch (const EndOfFileException &) {
        // receive() finds the channel's end after the channel's last message.
        return false;
    }
}

/** Drops the copy of the body as soon as an instance has begun. The copy is hardly larger than what
 *  fits in the channel. */
void Exchange::forgetBody() noexcept {
    BodySender &body = progress_.sender().body();
    if (body.kept() > KEPT_WITHOUT_LOOK && progress_.seeWhetherBegun()) {
        body.forget();
    }
}

}  // namespace Passenger
