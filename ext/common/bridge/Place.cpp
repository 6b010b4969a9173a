#include "bridge/Place.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
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

Place::Place(const Tools &tools, std::uint32_t index, Watch watch)
    : tools_(tools), index_(index), connection_(tools.address, watch) {}

bool Place::take(std::string_view message, HandoverPtr handover) {
    if (message.size() < sizeof(header_)) {
        EventLog::complain("request.malformed", fmt::format("bytes={}", message.size()));
        return false;
    }
    if (handover_ != handover) {
        handover_ = std::move(handover);
        claim_.emplace(handover_->memory, handover_->firstCell + index_);
    }
    message_ = message;
    std::memcpy(&header_, message_.data(), sizeof(header_));
    return true;
}

void Place::begin(const ChannelPtr &channel, std::span<char> buffer) {
    channel_ = channel;
    reply_.emplace(*channel_, header_.ticket, microsecondsSince(header_.sentAt), handover_->stickyId);
    over_ = false;
    withdrawn_ = !claim_->take(ChannelId(header_.channel), Ticket(header_.ticket));
    proceed({}, buffer);
}

HttpExchange::Wants Place::wants() const {
    if (reply_->holdsBack()) {
        return {{0, EPOLLOUT}};
    }
    return exchange_ ? exchange_->wants() : HttpExchange::Wants{{0, EPOLLIN}};
}

void Place::proceed(const HttpExchange::Events &events, std::span<char> buffer) {
    over_ = !attempt(events, buffer) || over_;
    if (over_ && !reply_->holdsBack()) {
        end();
    }
}

/** The steps that are possible now. Their failure ends the request. @return whether it goes on */
bool Place::attempt(const HttpExchange::Events &events, std::span<char> buffer) {
    try {
        reply_->flush();
        const bool goesOn = !over_ && (reply_->holdsBack() || step(events, buffer));
        if ((goesOn || reply_->holdsBack()) && !connection_.watch(wants().connection)) {
            throw SystemException("epoll_ctl", errno);
        }
        return goesOn;
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

bool Place::step(const HttpExchange::Events &events, std::span<char> buffer) {
    if (exchange_) {
        return exchange_->proceed(events, buffer);
    }
    if (withdrawn_) {
        reply_->skip();
        return false;
    }
    if (const char *problem = problemOf(header_, message_.size())) {
        refuse(problem);
        return false;
    }
    const std::string_view rest = std::string_view(message_).substr(sizeof(header_));
    std::string_view environment = rest.substr(0, header_.headLength);
    const std::string_view body = rest.substr(environment.size());
    if ((header_.flags & BODY_FOLLOWS) != 0 && !source_) {
        source_.emplace(*channel_, header_.ticket - std::min<std::uint64_t>(header_.resends, header_.ticket),
                        header_.ticket, (header_.flags & BODY_IN_FILE) != 0);
        longHead_ = environment;
    }
    if (environment.size() < header_.headLength) {
        if (!source_->complete(longHead_, header_.headLength, buffer)) {
            return true;
        }
        environment = longHead_;
    }
    fields_ = RequestFields::parse(environment);
    if (!fields_) {
        refuse("the environment is not a list of names and values");
        return false;
    }
    return exchange_.emplace(parts(body)).proceed({}, buffer);
}

void Place::refuse(const char *problem) {
    EventLog::complain("request.malformed", fmt::format("reason=\"{}\"", problem));
    reply_->fail(INTERNAL_ERROR, "Internal Server Error");
}

HttpExchange::Parts Place::parts(std::string_view body) {
    // The place of a stream would go to a request, while the application is busy with the stream.
    const unsigned flags = tools_.takesAll ? header_.flags : header_.flags & ~unsigned{STREAM_TRANSFERABLE};
    return {*fields_, body, source_ ? &*source_ : nullptr, *reply_, connection_, tools_.relays, flags, tools_.toNode};
}

void Place::leave() {
    connection_.close();
    end();
}

/** Clears the claim only after the last message, or when the channel is dropped. */
void Place::end() {
    if (!reply_->finished()) {
        tools_.channels.drop(channel_->id);
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
    channel_.reset();
    if (!connection_.watch(EPOLLIN | EPOLLRDHUP)) {
        connection_.close();
    }
}

}  // namespace Passenger::Bridge
