#include "bridge/Place.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "base/SystemClock.h"
#include "bridge/EventLog.h"

namespace Passenger::Bridge {

namespace {

constexpr unsigned BAD_REQUEST = 400;
constexpr unsigned INTERNAL_ERROR = 500;
constexpr unsigned UNAVAILABLE = 503;

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

Place::Place(const Tools &tools, std::uint32_t index) : tools_(tools), index_(index), connection_(tools.address) {}

void Place::take(std::string_view message, HandoverPtr handover) {
    if (handover_ != handover) {
        handover_ = std::move(handover);
        claim_.emplace(handover_->claims, handover_->senders, handover_->firstCell + index_);
    }
    message_ = message;
    header_ = {};
    std::memcpy(&header_, message_.data(), std::min(message_.size(), sizeof(header_)));
    channel_.reset();
    withdrawn_ = over_ = false;
}

Place::Next Place::begin(const ChannelPtr &channel) {
    if (message_.size() < sizeof(header_)) {
        // The message names no channel for an answer.
        EventLog::complain("request.malformed", fmt::format("bytes={}", message_.size()));
        return Next::NONE;
    }
    if (!channel || !isPlain()) {
        return Next::WORK;
    }
    startReply(channel).neverWait();
    exchange_.emplace(parts(std::string_view(message_).substr(sizeof(header_) + header_.headLength)));
    if (!exchange_->prepare()) {
        exchange_.reset();
        reply_.reset();
        return Next::WORK;
    }
    claim();
    return next(attempt([this] {
        if (withdrawn_) {
            reply_->skip();
            return false;
        }
        exchange_->start();
        return true;
    }));
}

/** The whole request is in the message, and can be passed on. */
bool Place::isPlain() {
    if ((header_.flags & BODY_FOLLOWS) != 0 || problemOf(header_, message_.size()) != nullptr) {
        return false;
    }
    fields_ = RequestFields::parse(std::string_view(message_).substr(sizeof(header_), header_.headLength));
    return fields_.has_value();
}

ReplyWriter &Place::startReply(const ChannelPtr &channel) {
    channel_ = channel;
    return reply_.emplace(*channel_, header_.ticket, microsecondsSince(header_.sentAt), handover_->stickyId);
}

void Place::claim() {
    withdrawn_ = !claim_->take(ChannelId(header_.channel), Ticket(header_.ticket));
}

/** Takes a step, which says whether the request goes on. Its failure ends the request. */
template <typename Step> bool Place::attempt(const Step &step) {
    try {
        return step();
    } catch (const ClientGone &) {
        connection_.close();
    } catch (const BodyBrokenOff &) {
        // Most often the child has gone. If not, the answer must end.
        connection_.close();
        failQuietly(*reply_, BAD_REQUEST, "Bad Request");
    } catch (const BodyNotReceived &) {
        connection_.close();
        failQuietly(*reply_, UNAVAILABLE, "Service Unavailable");
    } catch (const std::exception &error) {
        connection_.close();
        EventLog::write("request.failed", "error=" + EventLog::inQuotes(error.what()));
        failQuietly(*reply_, INTERNAL_ERROR, "Internal Server Error");
    }
    return false;
}

Place::Next Place::next(bool goesOn) {
    over_ = !goesOn;
    if (reply_->holdsBack() || (goesOn && exchange_->mustWait())) {
        return Next::WORK;
    }
    if (goesOn) {
        return Next::ANSWER;
    }
    end();
    return Next::NONE;
}

Place::Next Place::proceed(std::span<char> buffer) {
    return next(attempt([&] { return exchange_->proceed(buffer); }));
}

void Place::leave() {
    connection_.close();
    end();
}

void Place::work(std::span<char> buffer) {
    if (!reply_) {
        // Without a channel the request is not claimed and not run: the child finds it not begun.
        const ChannelPtr channel = tools_.channels.find(header_.channel);
        if (!channel) {
            return;
        }
        startReply(channel);
        claim();
    }
    attempt([&] {
        reply_->wait();
        if (over_) {
            return false;
        }
        if (withdrawn_) {
            reply_->skip();
        } else if (exchange_) {
            exchange_->goOn(buffer);
        } else {
            respond(buffer);
        }
        return false;
    });
    end();
}

void Place::respond(std::span<char> buffer) {
    if (const char *problem = problemOf(header_, message_.size())) {
        EventLog::complain("request.malformed", fmt::format("reason=\"{}\"", problem));
        reply_->fail(INTERNAL_ERROR, "Internal Server Error");
        return;
    }
    const std::string_view rest = std::string_view(message_).substr(sizeof(header_));
    std::string_view environment = rest.substr(0, header_.headLength);
    const std::string_view body = rest.substr(environment.size());
    if ((header_.flags & BODY_FOLLOWS) != 0) {
        source_.emplace(*channel_, header_.ticket - std::min<std::uint64_t>(header_.resends, header_.ticket),
                        header_.ticket, (header_.flags & BODY_IN_FILE) != 0);
        if (environment.size() < header_.headLength) {
            longHead_ = environment;
            longHead_ += source_->receiveExactly(header_.headLength - environment.size());
            environment = longHead_;
        }
    }
    fields_ = RequestFields::parse(environment);
    if (!fields_) {
        EventLog::complain("request.malformed", "reason=\"the environment is not a list of names and values\"");
        reply_->fail(INTERNAL_ERROR, "Internal Server Error");
        return;
    }
    exchange_.emplace(parts(body)).run(buffer);
}

HttpExchange::Parts Place::parts(std::string_view body) {
    // The place of a stream would go to a request, while the application is busy with the stream.
    const unsigned flags = tools_.takesAll ? header_.flags : header_.flags & ~unsigned{STREAM_TRANSFERABLE};
    return {*fields_,      body,    source_ ? &*source_ : nullptr,
            *channel_,     *reply_, connection_,
            tools_.relays, flags,   tools_.awaitDeath,
            tools_.toNode};
}

/** Clears the claim only after the last message, or when the channel is dropped. */
void Place::end() {
    if (!reply_->finished()) {
        tools_.channels.drop(channel_->id);
        channel_.reset();
    }
    if (withdrawn_) {
        claim_->clear();
    } else {
        claim_->complete(SystemClock::instance().now());
        tools_.answered();
    }
    exchange_.reset();
    reply_.reset();
    fields_.reset();
    source_.reset();
}

}  // namespace Passenger::Bridge
