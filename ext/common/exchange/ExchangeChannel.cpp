#include "exchange/ExchangeChannel.h"

#include <cstring>

#include "base/Exceptions.h"

namespace Passenger {

bool ExchangeChannel::open(const QueueLink &link) {
    if (!channel_) {
        channel_ = host_.takeChannel(link);
    }
    return channel_ != nullptr;
}

void ExchangeChannel::giveBack(bool reusable) noexcept {
    if (!reusable) {
        channel_->shutDown();
    }
    discarded_ = 0;
    host_.giveBack(std::move(channel_), reusable);
}

bool ExchangeChannel::receive(std::span<char> buffer, ReplyChannel::Waiting waiting) {
    descriptors_.clear();
    size_ = channel_->receive(buffer, descriptors_, waiting);
    return size_ > 0;
}

MessageHeader ExchangeChannel::header(std::span<const char> buffer) const noexcept {
    MessageHeader header{};
    if (size_ >= sizeof(header)) {
        std::memcpy(&header, buffer.data(), sizeof(header));
    }
    return header;
}

void ExchangeChannel::discard() {
    discarded_ += size_;
    if (discarded_ > MAX_DISCARDED) {
        throw ProtocolException("more than 1 MiB of stale or malformed messages on the reply channel");
    }
}

}  // namespace Passenger
