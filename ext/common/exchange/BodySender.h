#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/StrongId.h"
#include "exchange/Session.h"
#include "io/ReplyChannel.h"

namespace Passenger {

/**
 * Sends what does not travel in the request's own message: the rest of a long head, then the body,
 * in BODY messages on the reply channel, or as a file. A file goes in BODY messages, too, where
 * there are too many descriptors on their way: to wait for fewer might be to wait for oneself,
 * since the others may stand behind this request in the queue. Keeps a copy of the body until an
 * instance has begun with the request: a channel that goes with the pool process takes along what
 * lies in it.
 *
 * A part of an Exchange, with its thread rules. It refers to the environment that the request was
 * begun with.
 */
class BodySender {
public:
    /** For a request without any of it. */
    BodySender() = default;
    explicit BodySender(const Session::Request &request);

    /** As much of the environment as the request's message holds. */
    std::string_view headInRequest() const noexcept {
        return environment_.substr(0, headInRequest_);
    }
    /** What is to be sent is here: the rest of the head, or what is sent again. */
    bool owes() const noexcept {
        return !done_ && (ended_ || !owed().empty());
    }
    /** Something was sent: it lies in the channel, or an instance has read it. */
    bool begun() const noexcept {
        return begun_;
    }
    /** Everything was sent. */
    bool done() const noexcept {
        return done_;
    }

    /** Sends as much as the channel has room for. Never waits. @param taken is increased by what
     *  was taken of `block`
     *  @return false: the channel is full. @throws SystemException, EndOfFileException */
    bool send(ReplyChannel &channel, Ticket ticket, std::string_view block, bool last, std::size_t &taken);
    /** The same for what it owes(). */
    bool sendOwed(ReplyChannel &channel, Ticket ticket);

    /** Begins anew, for another channel. False: not all that was sent is here any more. */
    bool rewind() noexcept;
    /** An instance has begun: nothing will be sent again. */
    void forget() noexcept;
    /** How much of the body is kept for rewind(). */
    std::size_t kept() const noexcept {
        return kept_.size();
    }

private:
    std::string_view owed() const noexcept;
    bool sendFile(ReplyChannel &channel, Ticket ticket);
    bool sendFileInPieces(ReplyChannel &channel, Ticket ticket);
    void sent(std::string_view piece, bool ofBlock);

    std::string_view environment_;
    std::size_t headInRequest_ = 0;
    std::size_t headSent_ = 0;
    /** What was given of the body so far, and how much of it was sent on this channel. */
    std::string kept_;
    std::size_t keptSent_ = 0;
    bool keeps_ = true;
    /** -1: the body is no file. */
    int file_ = -1;
    std::uint64_t fileSize_ = 0;
    /** How much of it was sent on this channel, where it goes in pieces. */
    std::optional<std::uint64_t> fileSent_;
    std::string filePiece_;
    /** The whole body was given. */
    bool ended_ = true;
    bool begun_ = false;
    bool done_ = true;
};

}  // namespace Passenger
