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
    QueueLinkPtr old;
    for (;;) {
        const std::uint64_t before = epoch();
        const std::shared_ptr<QueueLink> fresh = attach(options, unusable);
        const LockGuard guard(mutex_);
        // Asking may have shown that the agent is another one, or it was replaced right after its answer.
        if (epoch_ == before) {
            fresh->epoch = before;
            old = std::exchange(link_, fresh);
            return fresh;
        }
    }
}

std::unique_ptr<ReplyChannel> LineCache::takeChannel(const QueueLink &link) {
    {
        const LockGuard guard(mutex_);
        if (link.epoch != epoch_) {
            return nullptr;
        }
        if (!free_.empty()) {
            std::unique_ptr<ReplyChannel> channel = std::move(free_.back());
            free_.pop_back();
            return channel;
        }
    }
    DescriptorPair pair = makeSeqPacketPair();
    const std::uint32_t entry = board().allocate();
    std::optional<ChannelId> id;
    try {
        id = registerChannel(pair.second, link.groupSlot);
    } catch (...) {
        board().release(entry);
        throw;
    }
    if (id && link.epoch == epoch()) {
        return std::make_unique<ReplyChannel>(std::move(pair.first), *id, entry, link.epoch);
    }
    board().release(entry);
    if (id) {
        // It was the new agent that answered, and to it the line's slot means something else.
        unregisterChannel(*id);
    }
    return nullptr;
}

std::uint64_t LineCache::epoch() {
    const LockGuard guard(mutex_);
    return epoch_;
}

void LineCache::giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept {
    bool known;
    {
        const LockGuard guard(mutex_);
        known = channel->epoch() == epoch_;
        if (clean && known) {
            free_.push_back(std::move(channel));
            return;
        }
    }
    board().release(channel->boardEntry());
    if (known) {
        unregisterChannel(channel->id());
    }
}

void LineCache::forget() noexcept {
    QueueLinkPtr old;
    std::vector<std::unique_ptr<ReplyChannel>> channels;
    {
        const LockGuard guard(mutex_);
        epoch_++;
        old.swap(link_);
        channels.swap(free_);
    }
    release(channels);
}

void LineCache::dropChannels() noexcept {
    std::vector<std::unique_ptr<ReplyChannel>> old;
    {
        const LockGuard guard(mutex_);
        old.swap(free_);
    }
    release(old);
}

void LineCache::release(const std::vector<std::unique_ptr<ReplyChannel>> &channels) noexcept {
    for (const std::unique_ptr<ReplyChannel> &channel : channels) {
        board().release(channel->boardEntry());
    }
}

}  // namespace Passenger
