#include "pool/LineCache.h"

#include <utility>

#include "io/SocketPair.h"

namespace Passenger {

QueueLinkPtr LineCache::link(const Options &options, Generation unusable) {
    {
        const LockGuard guard(mutex_);
        if (link_ && link_->generation != unusable && generations().generation(link_->groupSlot) == link_->generation) {
            return link_;
        }
    }
    QueueLinkPtr fresh = attach(options, unusable);
    QueueLinkPtr old;
    const LockGuard guard(mutex_);
    old = std::exchange(link_, fresh);
    return fresh;
}

std::unique_ptr<ReplyChannel> LineCache::takeChannel(const QueueLink &link) {
    std::uint64_t epoch;
    {
        const LockGuard guard(mutex_);
        if (!free_.empty()) {
            std::unique_ptr<ReplyChannel> channel = std::move(free_.back());
            free_.pop_back();
            return channel;
        }
        epoch = epoch_;
    }
    DescriptorPair pair = makeSeqPacketPair();
    const ChannelId id = registerChannel(pair.second, link.groupSlot);
    return std::make_unique<ReplyChannel>(std::move(pair.first), id, board().allocate(), epoch);
}

void LineCache::giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept {
    {
        const LockGuard guard(mutex_);
        if (clean && channel->epoch() == epoch_) {
            free_.push_back(std::move(channel));
            return;
        }
    }
    board().release(channel->boardEntry());
    unregisterChannel(channel->id());
}

void LineCache::forget() noexcept {
    {
        const LockGuard guard(mutex_);
        epoch_++;
        link_.reset();
    }
    dropChannels();
}

void LineCache::dropChannels() noexcept {
    std::vector<std::unique_ptr<ReplyChannel>> old;
    {
        const LockGuard guard(mutex_);
        old.swap(free_);
    }
    for (const std::unique_ptr<ReplyChannel> &channel : old) {
        board().release(channel->boardEntry());
    }
}

}  // namespace Passenger
