#pragma once

#include "client/PoolClient.h"
#include "exchange/QueueCache.h"

namespace Passenger {

/** A child's QueueCache for one application. Owned by its PoolClient, with the same thread
 *  rules. */
class AppLink final : public QueueCache {
public:
    explicit AppLink(PoolClient &client) : client_(client) {}
    ~AppLink() override { dropChannels(); }

    /** The pool process was replaced. */
    void agentReplaced() noexcept { forget(); }

    InFlightTable &inFlightTable() override { return client_.inFlightTable(); }
    std::uint32_t childSlot() const override { return client_.childSlot(); }
    const GenerationTableView &generations() const override { return client_.generations(); }
    void wakeAgent() noexcept override { client_.wakeAgent(); }
    void awaitsAnswer(unsigned inFlight, unsigned capacity) noexcept override {
        client_.scheduling().adapt(inFlight, capacity);
    }
    void tellOverrun(const QueueLink &link, ChannelId channel, Ticket ticket,
                     std::chrono::milliseconds time) noexcept override;
    bool tellSlow(const QueueLink &link, ChannelId channel, Ticket ticket,
                  std::chrono::milliseconds time) noexcept override;
    int agentLife() const noexcept override { return client_.agentLife(); }
    std::optional<MonotonicTime> endOfWaiting() const noexcept override { return client_.endOfWaiting(); }

protected:
    Links attach(const Options &options, Generation unusable) override;
    bool tellOptions(const Options &options) noexcept override;
    std::optional<ChannelId> registerChannel(const FileDescriptor &instanceEnd, const QueueLink &link,
                                             const ChannelSecret &secret) override;
    bool unregisterChannels(std::span<const ChannelId> channels) noexcept override;
    void relieve() override { client_.closeIdle(); }

private:
    PoolClient &client_;
};

}  // namespace Passenger
