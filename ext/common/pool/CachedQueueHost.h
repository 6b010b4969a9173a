#pragma once

#include <memory>
#include <vector>

#include "base/Mutex.h"
#include "pool/QueueHost.h"

namespace Passenger {

/**
 * A QueueHost that remembers the current line and keeps unused channels. What has to be asked is asked by who derives from it.
 *
 * Shared by the exchanges that use it. Thread-safe.
 */
class CachedQueueHost : public QueueHost {
public:
    QueueLinkPtr link(Generation unusable = Generation()) override EXCLUDES(mutex_);
    std::unique_ptr<ReplyChannel> takeChannel(const QueueLink &link) override EXCLUDES(mutex_);
    void giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept override EXCLUDES(mutex_);

protected:
    ~CachedQueueHost() override = default;

    /** Asks for the current line. @throws as link() */
    virtual QueueLinkPtr attach(Generation unusable) = 0;
    /** Makes the instance's end known. @throws IOException, SystemException */
    virtual ChannelId registerChannel(const FileDescriptor &instanceEnd, std::uint32_t groupSlot) = 0;
    virtual void unregisterChannel(ChannelId channel) noexcept = 0;
    /** Forgets line and channels: who knew them is gone. */
    void forget() noexcept EXCLUDES(mutex_);
    /** For destructors of who derives: gives up all unused channels. */
    void dropChannels() noexcept EXCLUDES(mutex_);

private:
    Mutex mutex_;
    QueueLinkPtr link_ GUARDED_BY(mutex_);
    std::vector<std::unique_ptr<ReplyChannel>> free_ GUARDED_BY(mutex_);
    /** Grows when all channels become worthless; those of an older epoch are not kept. */
    std::uint64_t epoch_ GUARDED_BY(mutex_) = 0;
};

}  // namespace Passenger
