#pragma once

#include <memory>

#include "exchange/Options.h"
#include "exchange/QueueCache.h"
#include "pool/Pool.h"

namespace Passenger {

/**
 * Sends to one application from the pool's own process: registered like a child, with an in-flight table and a child slot. For
 * StandardApplicationPool and Pool::get(). It and its sessions end before the Pool.
 */
class LocalSender final : public QueueCache {
public:
    /** A host for one session. @throws IOException, SystemException */
    static QueueHostPtr host(Pool &pool, const Options &options);

    /** @throws IOException, SystemException */
    explicit LocalSender(Pool &pool);
    ~LocalSender() override;

    InFlightTable &inFlightTable() override {
        return inFlightTable_;
    }
    std::uint32_t childSlot() const override {
        return slot_;
    }
    const GenerationTableView &generations() const override {
        return generations_;
    }
    void wakeAgent() noexcept override;
    void overran(std::uint32_t groupSlot, ChannelId channel, Ticket ticket,
                 std::chrono::milliseconds time) noexcept override;

protected:
    Links attach(const Options &options, Generation unusable) override;
    std::optional<ChannelId> registerChannel(const FileDescriptor &instanceEnd, std::uint32_t groupSlot) override;
    bool unregisterChannels(std::span<const ChannelId> channels) noexcept override;

private:
    Pool &pool_;
    InFlightTable inFlightTable_;
    std::uint32_t slot_;
    GenerationTableView generations_;
};

}  // namespace Passenger
