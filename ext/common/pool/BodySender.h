#pragma once

#include <cstddef>
#include <string_view>

#include "base/StrongId.h"
#include "io/ReplyChannel.h"

namespace Passenger {

/**
 * Sends what does not travel in the request's own message: the rest of a long head, then the body, in BODY messages on the reply channel.
 *
 * A part of an Exchange, with its thread rules. It refers to the environment that the request was begun with.
 */
class BodySender {
public:
    /** For a request without any of it. */
    BodySender() = default;
    BodySender(std::string_view environment, bool bodyFollows);

    /** As much of the environment as the request's message holds. */
    std::string_view headInRequest() const noexcept {
        return environment_.substr(0, headInRequest_);
    }
    /** Nothing but the rest of the head is to be sent. */
    bool onlyHeadFollows() const noexcept {
        return !done_ && !bodyFollows_;
    }
    /** Something was sent: it lies in the channel, or an instance has read it. */
    bool begun() const noexcept {
        return begun_;
    }
    /** Everything was sent. */
    bool done() const noexcept {
        return done_;
    }

    /** Sends as much as the channel has room for. Never waits. @param taken is increased by what was taken of `block`
     *  @return false: the channel is full. @throws SystemException, EndOfFileException */
    bool send(ReplyChannel &channel, Ticket ticket, std::string_view block, bool last, std::size_t &taken);
    /** The same for the rest of the head, where no body follows. */
    bool sendHead(ReplyChannel &channel, Ticket ticket);

private:
    std::string_view environment_;
    std::size_t headInRequest_ = 0;
    std::size_t headSent_ = 0;
    bool bodyFollows_ = false;
    bool begun_ = false;
    bool done_ = true;
};

}  // namespace Passenger
