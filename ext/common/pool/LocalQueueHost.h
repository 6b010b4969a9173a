#pragma once

#include <memory>

#include "pool/CachedQueueHost.h"
#include "pool/Options.h"
#include "pool/Pool.h"

namespace Passenger {

/**
 * Sends requests from the pool's own process: registered like a child, with a board and a child slot. For StandardApplicationPool and
 * Pool::get(). Shared by its hosts; they and their sessions end before the Pool.
 */
class LocalSender {
public:
    explicit LocalSender(Pool &pool);
    ~LocalSender();
    LocalSender(const LocalSender &) = delete;
    LocalSender &operator=(const LocalSender &) = delete;

    /** A host for one application, with a sender of its own. @throws IOException, SystemException */
    static QueueHostPtr host(Pool &pool, const Options &options);

private:
    friend class LocalQueueHost;

    Pool &pool_;
    Board board_;
    std::uint32_t slot_;
    GenerationTableView generations_;
};

/** A CachedQueueHost that asks the Pool directly. */
class LocalQueueHost final : public CachedQueueHost {
public:
    LocalQueueHost(std::shared_ptr<LocalSender> sender, const Options &options) : sender_(std::move(sender)), options_(options) {}
    ~LocalQueueHost() override {
        dropChannels();
    }

    Board &board() override {
        return sender_->board_;
    }
    std::uint32_t childSlot() const override {
        return sender_->slot_;
    }
    const GenerationTableView &generations() const override {
        return sender_->generations_;
    }
    void wakeAgent() noexcept override;

protected:
    QueueLinkPtr attach(Generation unusable) override;
    ChannelId registerChannel(const FileDescriptor &instanceEnd, std::uint32_t groupSlot) override;
    void unregisterChannel(ChannelId channel) noexcept override;

private:
    std::shared_ptr<LocalSender> sender_;
    Options options_;
};

}  // namespace Passenger
