#include "bridge/Worker.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <optional>

#include <fmt/format.h>

#include "base/SystemClock.h"
#include "bridge/BodySource.h"
#include "bridge/EventLog.h"
#include "bridge/HttpExchange.h"

namespace Passenger::Bridge {

namespace {

constexpr unsigned BAD_REQUEST = 400;
/** The bytes of one read fit into one message on the reply channel, unless a head is there. */
constexpr std::size_t READ_SIZE = MAX_MESSAGE - sizeof(MessageHeader);
constexpr unsigned INTERNAL_ERROR = 500;

std::uint32_t microsecondsSince(std::uint64_t sentAt) {
    const auto now =
        static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(now > sentAt ? (now - sentAt) / 1000 : 0, UINT32_MAX));
}

/** Why the message cannot be passed on, or null. */
const char *problemOf(const RequestHeader &header, std::size_t size) {
    if (header.version != LAYOUT_VERSION) {
        return "the message has another version of the protocol";
    }
    if (size > MAX_MESSAGE) {
        return "the message is longer than 64 KiB";
    }
    if (header.headLength > MAX_ENVIRONMENT) {
        return "the environment is longer than 1 MiB";
    }
    if ((header.flags & STREAM) != 0) {
        return "applications that speak HTTP have no byte streams";
    }
    if ((header.flags & BODY_FOLLOWS) == 0 && size - sizeof(header) < header.headLength) {
        return "the environment ends early";
    }
    return nullptr;
}

/** A failure to send is no error: the child has shut the channel down. */
void failQuietly(ReplyWriter &reply, unsigned status, std::string_view text) {
    try {
        reply.fail(status, text);
    } catch (const ClientGone &) {
        return;
    }
}

}  // namespace

Worker::Worker(const Tools &tools, std::uint32_t index)
    : tools_(tools),
      index_(index),
      connection_(tools.address),
      buffer_(std::make_unique_for_overwrite<char[]>(MAX_MESSAGE + 1)),
      answerBuffer_(std::make_unique_for_overwrite<char[]>(READ_SIZE)) {}

void Worker::run() {
    while (const auto size = tools_.intake.take(seat_, {buffer_.get(), MAX_MESSAGE + 1})) {
        if (handover_ != seat_.handover) {
            handover_ = seat_.handover;
            claim_.emplace(handover_->claims, handover_->senders, handover_->firstCell + index_);
        }
        handle({buffer_.get(), *size});
    }
}

void Worker::handle(std::string_view message) {
    RequestHeader header{};
    if (message.size() < sizeof(header)) {
        // The message names no channel for an answer.
        EventLog::complain("request.malformed", fmt::format("bytes={}", message.size()));
        return;
    }
    std::memcpy(&header, message.data(), sizeof(header));
    // Without a channel the request is not claimed and not run: the child finds it not begun.
    if (const ChannelPtr channel = tools_.channels.find(header.channel)) {
        const bool withdrawn = !claim_->take(ChannelId(header.channel), Ticket(header.ticket));
        answer(*channel, header, message.substr(sizeof(header)), withdrawn);
    }
}

/** Clears the claim only after the last message, or when the channel is dropped. */
void Worker::answer(const Channel &channel, const RequestHeader &header, std::string_view rest, bool withdrawn) {
    ReplyWriter reply(channel, header.ticket, microsecondsSince(header.sentAt), handover_->stickyId);
    try {
        if (withdrawn) {
            reply.skip();
        } else {
            respond(channel, reply, header, rest);
        }
    } catch (const ClientGone &) {
        connection_.close();
    } catch (const BodyBrokenOff &) {
        // Most often the child has gone. If not, the answer must end.
        connection_.close();
        failQuietly(reply, BAD_REQUEST, "Bad Request");
    } catch (const std::exception &error) {
        connection_.close();
        EventLog::write("request.failed", "error=" + EventLog::inQuotes(error.what()));
        failQuietly(reply, INTERNAL_ERROR, "Internal Server Error");
    }
    if (!reply.finished()) {
        tools_.channels.drop(channel.id);
    }
    if (withdrawn) {
        claim_->clear();
    } else {
        claim_->complete(SystemClock::instance().now());
        tools_.answered();
    }
}

void Worker::respond(const Channel &channel, ReplyWriter &reply, const RequestHeader &header, std::string_view rest) {
    if (const char *problem = problemOf(header, sizeof(header) + rest.size())) {
        EventLog::complain("request.malformed", fmt::format("reason=\"{}\"", problem));
        reply.fail(INTERNAL_ERROR, "Internal Server Error");
        return;
    }
    std::optional<BodySource> source;
    std::string longHead;
    std::string_view environment = rest.substr(0, header.headLength);
    std::string_view body = rest.substr(environment.size());
    if ((header.flags & BODY_FOLLOWS) != 0) {
        source.emplace(channel, header.ticket - std::min<std::uint64_t>(header.resends, header.ticket), header.ticket,
                       (header.flags & BODY_IN_FILE) != 0);
        if (environment.size() < header.headLength) {
            longHead = environment;
            longHead += source->receiveExactly(header.headLength - environment.size());
            environment = longHead;
        }
    }
    const auto fields = RequestFields::parse(environment);
    if (!fields) {
        EventLog::complain("request.malformed", "reason=\"the environment is not a list of names and values\"");
        reply.fail(INTERNAL_ERROR, "Internal Server Error");
        return;
    }
    // The place of a stream would go to a request, while the application is busy with the stream.
    const unsigned flags = tools_.takesAll ? header.flags : header.flags & ~unsigned{STREAM_TRANSFERABLE};
    HttpExchange({*fields,
                  body,
                  source ? &*source : nullptr,
                  channel,
                  reply,
                  connection_,
                  tools_.relays,
                  flags,
                  {answerBuffer_.get(), READ_SIZE},
                  tools_.awaitDeath,
                  tools_.toNode})
        .run();
}

}  // namespace Passenger::Bridge
