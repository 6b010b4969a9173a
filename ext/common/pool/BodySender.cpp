#include "pool/BodySender.h"

#include <algorithm>

#include "io/Layouts.h"

namespace Passenger {

BodySender::BodySender(std::string_view environment, bool bodyFollows)
    : environment_(environment),
      headInRequest_(std::min(environment.size(), MAX_MESSAGE - sizeof(RequestHeader))),
      headSent_(headInRequest_),
      bodyFollows_(bodyFollows),
      done_(!bodyFollows && headInRequest_ == environment.size()) {}

bool BodySender::send(ReplyChannel &channel, Ticket ticket, std::string_view block, bool last, std::size_t &taken) {
    while (!done_) {
        const std::string_view headRest = environment_.substr(headSent_);
        const std::string_view source = headRest.empty() ? block : headRest;
        const std::string_view piece = source.substr(0, MAX_MESSAGE - sizeof(MessageHeader));
        const bool isLast = last && piece.size() == source.size() && (headRest.empty() || block.empty());
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
        if (!headRest.empty()) {
            headSent_ += piece.size();
        } else {
            block.remove_prefix(piece.size());
            taken += piece.size();
        }
    }
    return true;
}

bool BodySender::sendHead(ReplyChannel &channel, Ticket ticket) {
    std::size_t none = 0;
    return send(channel, ticket, "", true, none);
}

}  // namespace Passenger
