#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/Mutex.h"
#include "exchange/Options.h"
#include "exchange/QueueHost.h"

namespace Passenger {

/** What the agent answers to ATTACH. */
struct Links {
    std::shared_ptr<QueueLink> queue;
    /** To the instance that was asked for; null: the request goes to the application's queue. */
    std::shared_ptr<QueueLink> instance;

    /** @param ownQueue the sending end of the instance's own queue, or none */
    static Links of(std::shared_ptr<QueueLink> queue, FileDescriptor ownQueue);
};

/**
 * What a process that sends to an application remembers of it: the current line, the queues of
 * instances that were asked for, and reply channels that are not in use. What has to be asked is
 * asked by who derives from it.
 *
 * Shared by the sessions that use it. Thread-safe.
 */
class QueueCache {
public:
    virtual ~QueueCache() = default;

    /** As QueueHost::link(). @param options of the request, for the case that the application has
     *  to be started */
    QueueLinkPtr link(const Options &options, Generation unusable) EXCLUDES(mutex_);
    /** As QueueHost's. */
    std::unique_ptr<ReplyChannel> takeChannel(const QueueLink &link) EXCLUDES(mutex_);
    void giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept EXCLUDES(mutex_);

    /** Closes what was not needed since the last call: the channels beyond the most that were in
     *  use at once, and queues that have ended; and unused channels in which something lies, which
     *  nobody has asked for: who writes there may be waiting for room. */
    void trim() EXCLUDES(mutex_);
    /** Ends all exchanges, and refuses others from now on: their process ends. */
    void cutOff() noexcept EXCLUDES(mutex_);

    virtual InFlightTable &inFlightTable() = 0;
    virtual std::uint32_t childSlot() const = 0;
    virtual const GenerationTableView &generations() const = 0;
    virtual void wakeAgent() noexcept = 0;
    /** As QueueHost's. @param time the limit that was overrun */
    virtual void overran(std::uint32_t groupSlot, ChannelId channel, Ticket ticket,
                         std::chrono::milliseconds time) noexcept = 0;
    /** As QueueHost's. */
    virtual std::optional<MonotonicTime> endOfWaiting() const noexcept {
        return std::nullopt;
    }
    virtual int agentLife() const noexcept {
        return -1;
    }

protected:
    /** Asks for the current line, and for the queue of the instance that the options name. @throws
     *  as link() */
    virtual Links attach(const Options &options, Generation unusable) = 0;
    /** Makes the instance's end known. None: there is no application with that slot. @throws
     *  IOException, SystemException */
    virtual std::optional<ChannelId> registerChannel(const FileDescriptor &instanceEnd, std::uint32_t groupSlot) = 0;
    /** Never waits. False: it cannot be told now. */
    virtual bool unregisterChannels(std::span<const ChannelId> channels) noexcept = 0;
    /** Forgets line and channels: who knew them is gone. */
    void forget() noexcept EXCLUDES(mutex_);
    /** For destructors of who derives: gives up all unused channels. */
    void dropChannels() noexcept EXCLUDES(mutex_);

private:
    /** By sticky id. */
    using InstanceLinks = std::unordered_map<std::uint32_t, QueueLinkPtr>;
    using Channels = std::vector<std::unique_ptr<ReplyChannel>>;

    QueueLinkPtr known(std::uint32_t instance) const REQUIRES(mutex_);
    InstanceLinks takeClosed() REQUIRES(mutex_);
    std::uint64_t epoch() EXCLUDES(mutex_);
    QueueLinkPtr takeEnded() REQUIRES(mutex_);
    std::unique_ptr<ReplyChannel> makeChannel(const QueueLink &link) EXCLUDES(mutex_);
    Channels takeUnused() REQUIRES(mutex_);
    Channels takeFouled() REQUIRES(mutex_);
    Channels takeFree() noexcept REQUIRES(mutex_);
    void keep(Channels channels) EXCLUDES(mutex_);
    void unregister(ChannelId channel) noexcept EXCLUDES(mutex_);
    void release(const Channels &channels) noexcept;

    Mutex mutex_{Locks::QUEUE_CACHE};
    QueueLinkPtr link_ GUARDED_BY(mutex_);
    /** Whenever the agent is asked, those are dropped that are closed: so they are as many as
     *  instances that serve, 1,024 at most, and those that ended since. */
    InstanceLinks instances_ GUARDED_BY(mutex_);
    /** The last one is used next, so those that were not used for long come first. */
    Channels free_ GUARDED_BY(mutex_);
    /** So many of them no exchange has used since the last trim(). */
    std::size_t unused_ GUARDED_BY(mutex_) = 0;
    /** Channels that are gone, which the agent could not be told yet. */
    std::vector<ChannelId> untold_ GUARDED_BY(mutex_);
    /** Those in use, too. */
    std::unordered_set<ReplyChannel *> all_ GUARDED_BY(mutex_);
    bool cutOff_ GUARDED_BY(mutex_) = false;
    /** Grows when all channels become worthless; those of an older epoch are not kept. */
    std::uint64_t epoch_ GUARDED_BY(mutex_) = 0;
};

using QueueCachePtr = std::shared_ptr<QueueCache>;

/** A QueueHost for one session: the application's QueueCache, with the options of the request at
 *  hand. */
class SessionHost final : public QueueHost {
public:
    /** @param options must stay as they are while the session lives */
    SessionHost(QueueCachePtr cache, const Options &options) : cache_(std::move(cache)), options_(options) {}

    QueueLinkPtr link(Generation unusable) override {
        return cache_->link(options_, unusable);
    }
    std::unique_ptr<ReplyChannel> takeChannel(const QueueLink &link) override {
        return cache_->takeChannel(link);
    }
    void giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept override {
        cache_->giveBack(std::move(channel), clean);
    }
    InFlightTable &inFlightTable() override {
        return cache_->inFlightTable();
    }
    std::uint32_t childSlot() const override {
        return cache_->childSlot();
    }
    const GenerationTableView &generations() const override {
        return cache_->generations();
    }
    void wakeAgent() noexcept override {
        cache_->wakeAgent();
    }
    void overran(const QueueLink &link, ChannelId channel, Ticket ticket) noexcept override {
        cache_->overran(link.groupSlot, channel, ticket, options_.maxRequestTime);
    }
    int agentLife() const noexcept override {
        return cache_->agentLife();
    }
    QueueLimits limits() const noexcept override {
        return {options_.maxQueueSize, options_.maxQueueTime, options_.maxInFlight, options_.maxRequestTime};
    }
    std::optional<MonotonicTime> endOfWaiting() const noexcept override {
        return cache_->endOfWaiting();
    }

private:
    QueueCachePtr cache_;
    const Options &options_;
};

}  // namespace Passenger
