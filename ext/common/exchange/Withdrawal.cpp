#include "exchange/Withdrawal.h"

namespace Passenger {

void Withdrawal::mark() const noexcept {
    memory_.senders.withdraw(channel_->id(), ticket_);
}

bool Withdrawal::held() const noexcept {
    return memory_.claims.holds(channel_->id(), ticket_);
}

bool Withdrawal::diedWith() const noexcept {
    return memory_.claims.died(channel_->id(), ticket_);
}

bool Withdrawal::killedWith() const noexcept {
    return memory_.claims.killed(channel_->id(), ticket_);
}

Withdrawal::Outcome Withdrawal::withdraw(std::span<char> buffer) const {
    mark();
    if (claimed()) {
        return Outcome::BEGUN;
    }
    while (channel_.receive(buffer)) {
        const MessageHeader header = channel_.header(buffer);
        if (header.ticket == ticket_.value() && header.type != MessageType::RECHECK &&
            header.type != MessageType::REFUSED) {
            return Outcome::ANSWERED;
        }
        channel_.discard();
    }
    return Outcome::NOT_BEGUN;
}

}  // namespace Passenger
