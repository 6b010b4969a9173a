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

/** The event that a step finds, or the one of the channel's end. */
template <typename Step> std::optional<Exchange::Event> Exchange::attempt(const Step &step) {
    try {
        return step();
    } catch (const EndOfFileException &) {
        return progress_.channelEnded();
    } catch (const ProtocolException &error) {
        return progress_.broken(error.what());
    }
}

std::optional<Exchange::Event> Exchange::nextMessage(std::span<char> buffer, ReplyChannel::Waiting waiting) {
    if (waiting == ReplyChannel::Waiting::FOR_A_MOMENT) {
        if (std::optional<Event> event = pollBriefly(buffer)) {
            return event;
        }
    }
    return progress_.sender().channel().receive(buffer, waiting) ? progress_.message(buffer) : std::nullopt;
}

std::optional<Exchange::Event> Exchange::pollBriefly(std::span<char> buffer) {
    BusyPolling::Poll poll = progress_.sender().poll();
    while (poll.goesOn()) {
        if (progress_.sender().channel().receive(buffer)) {
            poll.succeed();
            return progress_.message(buffer);
        }
    }
    return std::nullopt;
}

/** An event that needs no wait: a limit was reached, or a message is there. */
std::optional<Exchange::Event> Exchange::ready(std::span<char> buffer) {
    std::optional<Event> event;
    if (timeLeft(queueDeadline()) == milliseconds(0)) {
        event = progress_.queueTimeUp(buffer);
    }
    while (!event && progress_.sender().channel().receive(buffer)) {
        event = progress_.message(buffer);
    }
    return event || !progress_.times().workIsUp() ? std::move(event) : progress_.overran();
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

Exchange::Event Exchange::receive(std::span<char> buffer, const MessageRequest::Client &client, milliseconds timeout) {
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
        std::optional<Event> event = attempt([&] {
            std::optional<Event> found = nextMessage(buffer, std::exchange(waiting, ReplyChannel::Waiting::NEVER));
            while (!found) {
                found = waitOnce(wait, buffer, For::REPLY);
            }
            return found;
        });
        // Nothing: the request was sent again on another channel.
        if (event) {
            return std::move(*event);
        }
    }
}

/**
 * Waits for a message, the client's leaving or a limit. Nothing: the caller looks and waits again.
 * @param purpose ROOM: room for the request's body ends the wait, too, and a message waits while
 * there is room. An instance that answers before it has read the body may never read the rest.
 */
std::optional<Exchange::Event> Exchange::waitOnce(ReplyWait &wait, std::span<char> buffer, For purpose) {
    const milliseconds queueTime = timeLeft(queueDeadline());
    if (queueTime == milliseconds(0) || progress_.times().workIsUp()) {
        return ready(buffer);
    }
    const auto slowDate = progress_.slowDate();
    const bool isSlow = slowDate && *slowDate <= progress_.times().now();
    if (isSlow) {
        progress_.tellSlow();
    }
    const milliseconds patience = timeLeft(wait.deadline());
    if (patience == milliseconds(0)) {
        return progress_.timedOut(buffer);
    }
    const MonotonicTime before = progress_.times().now();
    if (wait.clientSaysLeft()) {
        return progress_.clientLeft(buffer);
    }
    const milliseconds time = std::min({queueTime, patience, timeLeft(progress_.times().workDeadline())});
    RequestSender &sender = progress_.sender();
    const bool awaitsRoom = purpose == For::ROOM || owedBodyWaits();
    const ReplyWait::Found found = wait.poll({.channel = sender.channel()->descriptor(),
                                              .room = awaitsRoom,
                                              .agentLife = progress_.waits() ? sender.agentLife() : -1},
                                             isSlow ? time : std::min(time, timeLeft(slowDate)));
    progress_.times().waited(before, time);
    if (found.agentDied) {
        sender.agentDied();
    }
    if (found.timeUp) {
        // A client that has only closed its sending side has this interval to get an answer, or the
        // next part of it.
        if (!sender.agentIsDead()) {
            wait.watchClosely();
        }
        return progress_.look(buffer);
    }
    if (found.message && !(purpose == For::ROOM && found.room)) {
        return nextMessage(buffer);
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

ReplySource::Waited Exchange::awaitReply(int socket, ReplySource::Awaited awaited, milliseconds timeout) {
    if (pending_ || progress_.over()) {
        return {true, false};
    }
    if (progress_.times().workIsUp()) {
        return {collect(Cause::MESSAGE), false};
    }
    const MonotonicTime before = progress_.times().now();
    const int events =
        (awaited != ReplySource::Awaited::BYTES ? POLLOUT : 0) | (awaited != ReplySource::Awaited::ROOM ? POLLIN : 0);
    pollfd entries[2] = {{progress_.sender().channel()->descriptor(), POLLIN, 0},
                         {socket, static_cast<short>(events), 0}};
    const milliseconds time = std::min({timeout, lookInterval(), timeLeft(progress_.times().workDeadline())});
    const int ready = pollChannel(entries, time);
    // The instance has all bytes that the client has sent, and waits for the client, too.
    if (awaited != ReplySource::Awaited::ROOM && progress_.sender().channel()->drained() &&
        progress_.seeWhetherBegun()) {
        excuse(progress_.times().now() - before);
    } else {
        progress_.times().waited(before, time);
    }
    if (ready <= 0) {
        return {ready == 0 && timeout >= lookInterval() && collect(Cause::LOOK), false};
    }
    return {entries[0].revents != 0, entries[1].revents != 0};
}

/** Keeps an event that needs no wait for the next receive(). @return whether there is one */
bool Exchange::collect(Cause cause) {
    pending_ = attempt([&] {
        std::optional<Event> event = ready(lookBuffer());
        return event || cause == Cause::MESSAGE ? std::move(event) : progress_.look(lookBuffer());
    });
    return pending_.has_value();
}

std::span<char> Exchange::lookBuffer() {
    lookBuffer_.resize(MAX_MESSAGE);
    return lookBuffer_;
}

std::size_t Exchange::sendBody(std::string_view block, bool last) {
    std::size_t taken = 0;
    ReplyWait wait(client_, std::nullopt);
    while (!progress_.over() && !pending_ && !sendBlock(block, last, taken)) {
        pending_ = attempt([&] { return waitOnce(wait, lookBuffer(), For::ROOM); });
    }
    return taken;
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
