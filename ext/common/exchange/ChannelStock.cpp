#include "exchange/ChannelStock.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace Passenger {

std::unique_ptr<ReplyChannel> ChannelStock::take() noexcept {
    if (free_.empty()) {
        return nullptr;
    }
    std::unique_ptr<ReplyChannel> channel = std::move(free_.back());
    free_.pop_back();
    unused_ = std::min(unused_, free_.size());
    return channel;
}

void ChannelStock::keep(Channels channels) {
    for (const std::unique_ptr<ReplyChannel> &channel : channels) {
        all_.insert(channel.get());
    }
    unused_ += channels.size();
    free_.insert(free_.begin(), std::make_move_iterator(channels.begin()), std::make_move_iterator(channels.end()));
}

ChannelStock::Channels ChannelStock::takeUnused() {
    Channels taken = takeOut(free_.begin(), free_.begin() + static_cast<std::ptrdiff_t>(unused_));
    unused_ = free_.size();
    return taken;
}

ChannelStock::Channels ChannelStock::takeFouled() {
    const auto first = std::stable_partition(
        free_.begin(), free_.end(), [](const std::unique_ptr<ReplyChannel> &channel) { return !channel->readable(); });
    Channels taken = takeOut(first, free_.end());
    unused_ = std::min(unused_, free_.size());
    return taken;
}

ChannelStock::Channels ChannelStock::takeOut(Channels::iterator first, Channels::iterator last) {
    Channels taken(std::make_move_iterator(first), std::make_move_iterator(last));
    free_.erase(first, last);
    for (const std::unique_ptr<ReplyChannel> &channel : taken) {
        all_.erase(channel.get());
    }
    return taken;
}

ChannelStock::Channels ChannelStock::takeFree() noexcept {
    unused_ = 0;
    for (const std::unique_ptr<ReplyChannel> &channel : free_) {
        all_.erase(channel.get());
    }
    return std::exchange(free_, {});
}

void ChannelStock::shutDown() noexcept {
    for (ReplyChannel *channel : all_) {
        channel->shutDown();
    }
}

}  // namespace Passenger
