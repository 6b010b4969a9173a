#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "base/Clock.h"
#include "exchange/Options.h"
#include "exchange/QueueCache.h"
#include "exchange/QueueHost.h"

namespace Passenger {

/** A QueueHost for one session: the application's QueueCache, with the options of the request at
 *  hand. */
class SessionHost final : public QueueHost {
public:
    /** @param options must stay unchanged while the session lives */
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
    BodyFilesInFlight &bodyFiles() noexcept override {
        return cache_->bodyFiles();
    }
    QueueDelay &queueDelay() noexcept override {
        return cache_->queueDelay();
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
    bool isSlow(const QueueLink &link, ChannelId channel, Ticket ticket) noexcept override {
        return cache_->isSlow(link.groupSlot, channel, ticket, std::chrono::milliseconds(options_.slowRequestTime));
    }
    int agentLife() const noexcept override {
        return cache_->agentLife();
    }
    QueueLimits limits() const noexcept override {
        return QueueLimits::of(options_);
    }
    std::optional<MonotonicTime> endOfWaiting() const noexcept override {
        return cache_->endOfWaiting();
    }
    const Clock &clock() const noexcept override {
        return cache_->clock();
    }

private:
    QueueCachePtr cache_;
    const Options &options_;
};

}  // namespace Passenger
