#include "exchange/BodySender.h"

#include <algorithm>
#include <utility>

#include "base/Exceptions.h"
#include "base/FileBytes.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

/** More than any channel holds. So an instance has taken a part of a body of this size. */
constexpr std::size_t MAX_KEPT = 1024 * 1024;

}  // namespace

BodySender::BodySender(const MessageRequest &request, BodyFilesInFlight &files)
    : environment_(request.environment),
      headInRequest_(std::min(environment_.size(), MAX_MESSAGE - sizeof(RequestHeader))),
      headSent_(headInRequest_),
      file_(request.bodyFile),
      fileSize_(request.bodyFileSize),
      files_(&files),
      given_(request.bodyFileGiven),
      inPieces_(request.bodyInPieces),
      ended_(!request.bodyFollows || file_ >= 0),
      done_(!request.bodyFollows && headInRequest_ == environment_.size()) {}

/** The bytes to send next. */
std::string_view BodySender::owed() const noexcept {
    const std::string_view head = environment_.substr(headSent_);
    return head.empty() ? std::string_view(kept_).substr(keptSent_) : head;
}

bool BodySender::send(ReplyChannel &channel, Ticket ticket, std::string_view block, bool last, std::size_t &taken) {
    while (!done_) {
        const std::string_view owed = this->owed();
        if (file_ >= 0 && owed.empty()) {
            return fileSent_ ? sendFileInPieces(channel, ticket) : sendFile(channel, ticket);
        }
        const std::string_view source = owed.empty() ? block : owed;
        const std::string_view piece = source.substr(0, MAX_MESSAGE - sizeof(MessageHeader));
        const std::size_t left = environment_.size() - headSent_ + kept_.size() - keptSent_ + block.size();
        const bool isLast = last && file_ < 0 && piece.size() == left;
        if (piece.empty() && !isLast) {
            break;
        }
        MessageHeader header{};
        header.ticket = ticket.value();
        header.type = MessageType::BODY;
        header.flags = isLast ? LAST : 0;
        if (!channel.send(header, piece)) {
            return false;
        }
        begun_ = true;
        done_ = isLast;
        ended_ = ended_ || isLast;
        sent(piece, owed.empty());
        if (owed.empty()) {
            block.remove_prefix(piece.size());
            taken += piece.size();
        }
    }
    return true;
}

bool BodySender::sendFile(ReplyChannel &channel, Ticket ticket) {
    MessageHeader header{};
    header.ticket = ticket.value();
    header.type = MessageType::BODY_FILE;
    header.flags = LAST;
    const std::string_view size(reinterpret_cast<const char *>(&fileSize_), sizeof(fileSize_));
    BodyFilesInFlight::Place place = files_->enter();
    if (!place && inPieces_) {
        inPieces_();
    }
    const ReplyChannel::Sent sent = place ? channel.send(header, size, file_) : ReplyChannel::Sent::NOT_WITH_DESCRIPTOR;
    if (sent == ReplyChannel::Sent::NOT_WITH_DESCRIPTOR) {
        fileSent_ = 0;
        return sendFileInPieces(channel, ticket);
    }
    done_ = sent == ReplyChannel::Sent::YES;
    if (done_) {
        inFlight_ = std::move(place);
        if (given_) {
            given_(channel.application());
        }
    }
    begun_ = begun_ || done_;
    return done_;
}

bool BodySender::sendFileInPieces(ReplyChannel &channel, Ticket ticket) {
    MessageHeader header{};
    header.ticket = ticket.value();
    header.type = MessageType::BODY;
    while (!done_) {
        const std::uint64_t left = fileSize_ - *fileSent_;
        filePiece_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, MAX_MESSAGE - sizeof(header))));
        if (const int error = FileBytes::read(file_, *fileSent_, filePiece_); error != 0) {
            throw SystemException("cannot read the file of a request's body", error);
        }
        const bool isLast = filePiece_.size() == left;
        header.flags = isLast ? LAST : 0;
        if (!channel.send(header, filePiece_)) {
            return false;
        }
        begun_ = true;
        done_ = isLast;
        *fileSent_ += filePiece_.size();
    }
    return true;
}

void BodySender::sent(std::string_view piece, bool ofBlock) {
    if (ofBlock) {
        if (keeps_ && kept_.size() + piece.size() > MAX_KEPT) {
            forget();
        }
        if (keeps_) {
            kept_ += piece;
            keptSent_ = kept_.size();
        }
    } else if (headSent_ < environment_.size()) {
        headSent_ += piece.size();
    } else {
        keptSent_ += piece.size();
    }
}

bool BodySender::sendOwed(ReplyChannel &channel, Ticket ticket) {
    std::size_t none = 0;
    return send(channel, ticket, "", ended_, none);
}

bool BodySender::rewind() noexcept {
    if (!begun_) {
        return true;
    }
    if (!keeps_) {
        return false;
    }
    inFlight_.reset();
    headSent_ = headInRequest_;
    keptSent_ = 0;
    fileSent_.reset();
    begun_ = false;
    done_ = false;
    return true;
}

/** The bytes that are being sent again stay. */
void BodySender::forget() noexcept {
    keeps_ = false;
    if (keptSent_ == kept_.size()) {
        std::exchange(kept_, std::string());
        keptSent_ = 0;
    }
}

}  // namespace Passenger
