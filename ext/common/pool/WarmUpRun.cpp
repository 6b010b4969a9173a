#include "pool/WarmUpRun.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "base/Clock.h"
#include "base/DescriptorSender.h"
#include "base/Poll.h"
#include "base/SystemClock.h"
#include "io/ChannelSecret.h"
#include "io/MessageRoom.h"
#include "log/Log.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/** Statuses from here on are failures. */
constexpr unsigned FAILURES = 500;
/** The request is one message. */
constexpr std::size_t MOST_ENVIRONMENT = MAX_MESSAGE - sizeof(RequestHeader);
/** Without a serial: ChannelRegistry gives no such id. */
constexpr ChannelId CHANNEL(1);
/** A request that no claim names is sent again then, as a child does it. */
constexpr milliseconds PATIENCE(1000);
/** Between two looks whether a claim is cleared: nothing tells of it. */
constexpr milliseconds LOOK_INTERVAL(2);
constexpr const char *NO_ANSWER = "the application did not answer";

std::string_view targetOf(std::string_view environment) {
    constexpr std::string_view NAME("\0REQUEST_URI\0", 13);
    const std::string_view value = environment.substr(environment.find(NAME) + NAME.size());
    return value.substr(0, value.find('\0'));
}

DescriptorPair channelEnds() {
    DescriptorPair ends = makeSeqPacketPair();
    makeRoomForMessages(ends.second, MAX_MESSAGE);
    return ends;
}

}  // namespace

WarmUpRun::WarmUpRun(InstanceLink &link, std::string app, milliseconds limit)
    : WarmUpRun(link, std::move(app), limit, channelEnds()) {}

WarmUpRun::WarmUpRun(InstanceLink &link, std::string app, milliseconds limit, DescriptorPair channel)
    : link_(link),
      app_(std::move(app)),
      limit_(limit),
      deadline_(FrameSocket::in(limit)),
      marks_(senders_.memory().readOnlyDescriptor()),
      channel_(std::move(channel.first), CHANNEL, 0, 0, ChannelSecret::random(), newDescriptorSender()),
      instanceEnd_(std::move(channel.second)),
      buffer_(MAX_MESSAGE) {}

std::vector<int> WarmUpRun::descriptors() const {
    return {queue_.receivingEnd().get(), claims_.memory().descriptor().get(), marks_.get()};
}

std::optional<Frame> WarmUpRun::send(const std::vector<std::string> &environments) {
    for (const std::string &environment : environments) {
        const auto began = steady_clock::now();
        Outcome outcome;
        if (std::optional<Frame> frame = ask(environment, outcome)) {
            return frame;
        }
        log(environment, outcome, steady_clock::now() - began);
        if (timeIsUp()) {
            break;
        }
    }
    if (std::optional<Frame> frame = awaitEnds()) {
        return frame;
    }
    // Whoever works at a request finds that its client has left.
    channel_.shutDown();
    queue_.shutDown();
    return std::nullopt;
}

std::optional<Frame> WarmUpRun::ask(std::string_view environment, Outcome &outcome) {
    if (environment.size() > MOST_ENVIRONMENT) {
        outcome.problem = fmt::format("the request has more than {} bytes, with its variables", MOST_ENVIRONMENT);
        return std::nullopt;
    }
    Ticket ticket = channel_.nextTicket();
    if (!timeIsUp() && !queue(environment, ticket)) {
        outcome.problem = "the instance takes no requests";
        return std::nullopt;
    }
    FrameSocket::Deadline look = FrameSocket::in(PATIENCE);
    while (!timeIsUp()) {
        if (std::optional<Frame> frame = answerFetches()) {
            return frame;
        }
        // Before a look at the channel: a claim is cleared after the last message.
        const bool dropped = steady_clock::now() >= look && outcome.status == 0 && wasDropped(ticket);
        const Received received = receive(ticket, outcome);
        if (received == Received::LAST) {
            return std::nullopt;
        }
        if (received == Received::MESSAGE) {
            continue;
        }
        if (dropped) {
            ticket = channel_.nextTicket();
            queue(environment, ticket);
        }
        if (steady_clock::now() >= look) {
            look = FrameSocket::in(PATIENCE);
        }
        await(look);
    }
    outcome.problem =
        fmt::format("no answer within {} ms after it was told to serve (PassengerStartTimeout)", limit_.count());
    return std::nullopt;
}

/** What the application does behind an answer ends with the claim. It belongs to the warm-up. */
std::optional<Frame> WarmUpRun::awaitEnds() {
    if (timeIsUp()) {
        return std::nullopt;
    }
    while (claims_.taken() > 0) {
        if (timeIsUp()) {
            Log::warn(
                "event=warm_up.failed app=\"{}\" reason=\"work behind an answer has not ended within {} ms "
                "(PassengerStartTimeout)\"",
                app_, limit_.count());
            break;
        }
        if (std::optional<Frame> frame = answerFetches()) {
            return frame;
        }
        pollUntil(link_.control(), POLLIN, std::min(FrameSocket::in(LOOK_INTERVAL), deadline_));
    }
    return std::nullopt;
}

std::optional<Frame> WarmUpRun::answerFetches() {
    const auto endOf = [this](ChannelId channel) { return channel == CHANNEL ? instanceEnd_.get() : -1; };
    return link_.answerFetches(endOf, deadline_);
}

bool WarmUpRun::queue(std::string_view environment, Ticket ticket) {
    RequestHeader header{};
    header.version = LAYOUT_VERSION;
    header.headLength = static_cast<std::uint32_t>(environment.size());
    header.channel = CHANNEL.value();
    header.ticket = ticket.value();
    header.sentAt = toNanoseconds(SystemClock::instance().now());
    return RequestQueue::send(queue_.sendingEnd().get(), header, environment, {}) == RequestQueue::Outcome::QUEUED;
}

/** The instance has taken the request and has not claimed it: its channel came late or never. The
 *  request is withdrawn. If the channel has no answer either, the request cannot begin. */
bool WarmUpRun::wasDropped(Ticket ticket) {
    if (RequestQueue::hasWaiting(queue_.sendingEnd().get()) || claims_.holds(CHANNEL, ticket)) {
        return false;
    }
    senders_.withdraw(CHANNEL, ticket);
    // The instance may have claimed it before that.
    return !claims_.holds(CHANNEL, ticket);
}

/** Takes the next message of the answer, if there is one. */
WarmUpRun::Received WarmUpRun::receive(Ticket ticket, Outcome &outcome) {
    MessageHeader header{};
    try {
        // None may come. They are closed here.
        std::vector<FileDescriptor> descriptors;
        const std::size_t size = channel_.receive(buffer_, descriptors);
        if (size == 0) {
            return Received::NOTHING;
        }
        std::memcpy(&header, buffer_.data(), std::min(size, sizeof(header)));
    } catch (const std::exception &error) {
        outcome.problem = error.what();
        return Received::LAST;
    }
    // One that is skipped was withdrawn, and its claim goes: it is sent again.
    if (header.ticket != ticket.value() || header.type == MessageType::SKIPPED) {
        return Received::MESSAGE;
    }
    switch (header.type) {
        case MessageType::RESPONSE: outcome.status = header.status; break;
        case MessageType::HIJACKED:
            outcome.problem = "the application has taken the connection over";
            return Received::LAST;
        case MessageType::ABORTED: outcome.problem = "the answer was broken off"; return Received::LAST;
        default: break;
    }
    if ((header.flags & LAST) != 0 && outcome.status == 0) {
        outcome.problem = NO_ANSWER;
    }
    return (header.flags & LAST) != 0 ? Received::LAST : Received::MESSAGE;
}

/** Until there is something to receive, on the channel or the control socket, or until then. */
void WarmUpRun::await(FrameSocket::Deadline deadline) const {
    std::array<pollfd, 2> entries{{{channel_.descriptor(), POLLIN, 0}, {link_.control(), POLLIN, 0}}};
    ::poll(entries.data(), entries.size(), millisecondsUntil(std::min(deadline, deadline_)));
}

bool WarmUpRun::timeIsUp() const {
    return steady_clock::now() >= deadline_;
}

void WarmUpRun::log(std::string_view environment, const Outcome &outcome, std::chrono::nanoseconds time) const {
    const std::string_view path = targetOf(environment);
    if (!outcome.problem.empty() && outcome.status != 0) {
        Log::warn("event=warm_up.failed app=\"{}\" path=\"{}\" status={} reason=\"{}\"", app_, path, outcome.status,
                  outcome.problem);
    } else if (!outcome.problem.empty()) {
        Log::warn("event=warm_up.failed app=\"{}\" path=\"{}\" reason=\"{}\"", app_, path, outcome.problem);
    } else if (outcome.status >= FAILURES) {
        Log::warn("event=warm_up.failed app=\"{}\" path=\"{}\" status={}", app_, path, outcome.status);
    } else {
        Log::notice("event=warm_up.done app=\"{}\" path=\"{}\" status={} ms={}", app_, path, outcome.status,
                    std::chrono::duration_cast<milliseconds>(time).count());
    }
}

}  // namespace Passenger
