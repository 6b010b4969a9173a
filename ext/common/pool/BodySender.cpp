#include "pool/BodySender.h"

#include <algorithm>
#include <utility>

#include "io/Layouts.h"

namespace Passenger {

namespace {

/** More than lies in any channel: who has sent so much has seen an instance take some of it. */
constexpr std::size_t MAX_KEPT = 1024 * 1024;

}  // namespace

BodySender::BodySender(std::string_view environment, bool bodyFollows)
    : environment_(environment),
      headInRequest_(std::min(environment.size(), MAX_MESSAGE - sizeof(RequestHeader))),
      headSent_(headInRequest_),
      ended_(!bodyFollows),
      done_(!bodyFollows && headInRequest_ == environment.size()) {}

/** What has to be sent next and is here. */
std::string_view BodySender::owed() const noexcept {
    const std::string_view head = environment_.substr(headSent_);
    return head.empty() ? std::string_view(kept_).substr(keptSent_) : head;
}

bool BodySender::send(ReplyChannel &channel, Ticket ticket, std::string_view block, bool last, std::size_t &taken) {
    while (!done_) {
        const std::string_view owed = this->owed();
        const std::string_view source = owed.empty() ? block : owed;
        const std::string_view piece = source.substr(0, MAX_MESSAGE - sizeof(MessageHeader));
        const std::size_t left = environment_.size() - headSent_ + kept_.size() - keptSent_ + block.size();
        const bool isLast = last && piece.size() == left;
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
    headSent_ = headInRequest_;
    keptSent_ = 0;
    begun_ = false;
    done_ = false;
    return true;
}

/** What is being sent again stays. */
void BodySender::forget() noexcept {
    keeps_ = false;
    if (keptSent_ == kept_.size()) {
        std::exchange(kept_, std::string());
        keptSent_ = 0;
    }
}

}  // namespace Passenger
