#include "pool/LineCache.h"

#include <utility>

#include "io/RequestQueue.h"
#include "io/SocketPair.h"

namespace Passenger {

Links Links::of(std::shared_ptr<QueueLink> line, FileDescriptor ownQueue) {
    Links links{std::move(line), nullptr};
    if (ownQueue) {
        links.instance = std::make_shared<QueueLink>(
            QueueLink{links.line->groupSlot, links.line->generation, std::move(ownQueue), links.line->memory, 0});
    }
    return links;
}

QueueLinkPtr LineCache::link(const Options &options, Generation unusable) {
    const std::uint32_t instance = options.stickySessions ? options.stickyId : 0;
    {
        const LockGuard guard(mutex_);
        QueueLinkPtr link = known(instance);
        if (link && link->generation != unusable && generations().generation(link->groupSlot) == link->generation) {
            return link;
        }
    }
    // Destroyed without the lock.
    Links fresh;
    QueueLinkPtr old;
    InstanceLinks closed;
    for (;;) {
        const std::uint64_t before = epoch();
        fresh = attach(options, unusable);
        const LockGuard guard(mutex_);
        // Asking may have shown that the agent is another one, or it was replaced right after its answer.
        if (epoch_ == before) {
            fresh.line->epoch = before;
            old = std::exchange(link_, fresh.line);
            closed = takeClosed();
            if (!fresh.instance) {
                return fresh.line;
            }
            fresh.instance->epoch = before;
            instances_.insert_or_assign(instance, fresh.instance);
            return fresh.instance;
        }
    }
}

/** The way to this instance, or to any. */
QueueLinkPtr LineCache::known(std::uint32_t instance) const {
    if (instance == 0) {
        return link_;
    }
    const auto found = instances_.find(instance);
    return found == instances_.end() ? nullptr : found->second;
}

LineCache::InstanceLinks LineCache::takeClosed() {
    InstanceLinks closed;
    for (auto next = instances_.begin(); next != instances_.end();) {
        const auto link = next++;
        if (RequestQueue::closed(link->second->sending.get())) {
            closed.insert(instances_.extract(link));
        }
    }
    return closed;
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
    InstanceLinks instances;
    std::vector<std::unique_ptr<ReplyChannel>> channels;
    {
        const LockGuard guard(mutex_);
        epoch_++;
        old.swap(link_);
        instances.swap(instances_);
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
