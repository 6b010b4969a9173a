#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/StrongId.h"
#include "exchange/BodyFilesInFlight.h"
#include "exchange/MessageRequest.h"
#include "io/ReplyChannel.h"

namespace Passenger {

/**
 * Sends the parts of a request that its first message does not hold: the rest of a long head, then
 * the body. It sends BODY messages on the reply channel, or a file.
 *
 * A file is also sent in BODY messages if too many descriptors are in flight, of the application or
 * of the user. A wait for fewer descriptors could last for ever, since the other descriptors may be
 * behind this request in the queue. The object keeps a copy of the body until an instance has begun
 * with the request. If the pool process ends, the content of the channel is lost.
 *
 * A part of an Exchange, with its thread rules. The environment that the request was begun with
 * outlives the object.
 */
class BodySender {
public:
    /** For a request without further parts. */
    BodySender() = default;
    /** @param files outlives the object */
    BodySender(const MessageRequest &request, BodyFilesInFlight &files);

    /** The part of the environment that the request's message holds. */
    std::string_view headInRequest() const noexcept { return environment_.substr(0, headInRequest_); }
    /** Whether bytes are left that the object has: of the head, or of a body that is sent again. */
    bool owes() const noexcept { return !done_ && (ended_ || !owed().empty()); }
    /** Whether a byte was sent. The byte is in the channel, or an instance has read it. */
    bool begun() const noexcept { return begun_; }
    /** Whether everything was sent. */
    bool done() const noexcept { return done_; }

    /** Sends as much as the channel has room for. Never waits.
     *  @param taken is increased by the number of bytes that were taken of `block`
     *  @return false: the channel is full. @throws SystemException, EndOfFileException */
    bool send(ReplyChannel &channel, Ticket ticket, std::string_view block, bool last, std::size_t &taken);
    /** Sends the bytes that the object owes(), as send() does. */
    bool sendOwed(ReplyChannel &channel, Ticket ticket);

    /** Begins anew, for another channel. False: a part that was sent is no longer kept. */
    bool rewind() noexcept;
    /** Looks whether an instance has taken the file. */
    void noteTaken(const ReplyChannel &channel) noexcept {
        if (inFlight_ && channel.drained()) {
            inFlight_.reset();
        }
    }
    /** The channel is closed, and the agent has been told so: the file is no longer in flight. */
    void channelClosed() noexcept { inFlight_.reset(); }
    /** Drops the copy: an instance has begun, so nothing will be sent again. */
    void forget() noexcept;
    /** The number of bytes of the body that are kept for rewind(). */
    std::size_t kept() const noexcept { return kept_.size(); }

private:
    std::string_view owed() const noexcept;
    bool sendFile(ReplyChannel &channel, Ticket ticket);
    bool sendFileInPieces(ReplyChannel &channel, Ticket ticket);
    void sent(std::string_view piece, bool ofBlock);

    std::string_view environment_;
    std::size_t headInRequest_ = 0;
    std::size_t headSent_ = 0;
    /** The bytes of the body that were given, and how many of them were sent on this channel. */
    std::string kept_;
    std::size_t keptSent_ = 0;
    bool keeps_ = true;
    /** -1: the body is no file. */
    int file_ = -1;
    std::uint64_t fileSize_ = 0;
    BodyFilesInFlight *files_ = nullptr;
    /** See MessageRequest::bodyFileGiven and bodyInPieces. */
    std::function<void(DescriptorSender)> given_;
    std::function<void()> inPieces_;
    /** The file was sent, and no instance is known to have taken it. */
    BodyFilesInFlight::Place inFlight_;
    /** The bytes of the file that were sent on this channel. Nothing: the file is sent whole. */
    std::optional<std::uint64_t> fileSent_;
    std::string filePiece_;
    /** The whole body was given. */
    bool ended_ = true;
    bool begun_ = false;
    bool done_ = true;
};

}  // namespace Passenger
