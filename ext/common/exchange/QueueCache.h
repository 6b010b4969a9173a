#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/DescriptorSender.h"
#include "base/Mutex.h"
#include "exchange/ChannelStock.h"
#include "exchange/Options.h"
#include "exchange/QueueHost.h"
#include "exchange/ToldOptions.h"
#include "exchange/UnknownInstances.h"

namespace Passenger {

/** The queues in the agent's answer to ATTACH. */
struct Links {
    std::shared_ptr<QueueLink> queue;
    /** The queue of the requested instance; null: the request goes to the application's queue. */
    std::shared_ptr<QueueLink> instance;

    /** @param ownQueue the sending end of the instance's own queue, or none */
    static Links of(std::shared_ptr<QueueLink> queue, FileDescriptor ownQueue);
};

/**
 * What a sending process stores for one application: its current queue, the own queues of
 * requested instances, and unused reply channels. A derived class asks the agent.
 */
class QueueCache : public QueueHost {
public:
    /** The application gets no requests from this process while more of its descriptors are held up
     *  here (DescriptorCloser). */
    static constexpr std::size_t MOST_HELD_UP_DESCRIPTORS = 64;

    QueueLinkPtr link(const Options &options, Generation unusable) override EXCLUDES(mutex_);
    std::unique_ptr<ReplyChannel> takeChannel(const QueueLink &link) override EXCLUDES(mutex_);
    void giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept override EXCLUDES(mutex_);
    BodyFilesInFlight &bodyFiles() noexcept override { return bodyFiles_; }
    QueueDelay &queueDelay() noexcept override { return queueDelay_; }
    BusyPolling &busyPolling() noexcept override { return busyPolling_; }

    /** Closes queues that have ended, and unused channels. These are the channels beyond the most
     *  that were in use at once since the last call, and those with messages. No exchange reads
     *  such messages, and their writer may be waiting for room. */
    void trim() EXCLUDES(mutex_);
    /** Whether nothing is stored that a later exchange needs: the agent has ended the queue, and
     *  there is no channel. */
    bool isEmpty() EXCLUDES(mutex_);
    /** Closes all unused channels: descriptors or entries are short. If the agent cannot be told
     *  now, a later call tells it. */
    void closeIdle() EXCLUDES(mutex_);
    /** Ends all exchanges and refuses further ones: the process is ending. */
    void cutOff() noexcept EXCLUDES(mutex_);

protected:
    /** Asks the agent for the current queue, and for the queue of the instance that the options
     *  name. @throws as link() */
    virtual Links attach(const Options &options, Generation unusable) = 0;
    /** Tells the agent options of an application whose queue is known, for later starts of
     *  instances. Waits for 20 ms at most. False: the agent cannot be told now. */
    virtual bool tellOptions(const Options &options) noexcept = 0;
    /** Registers the instance's end with the agent. Nothing: the link's slot is not this
     *  application's any more.
     *  @param secret the agent's messages on the channel begin with it
     *  @throws DescriptorShortageException, IOException, SystemException */
    virtual std::optional<ChannelId> registerChannel(const FileDescriptor &instanceEnd, const QueueLink &link,
                                                     const ChannelSecret &secret) = 0;
    /** Never waits. False: the agent cannot be told now. */
    virtual bool unregisterChannels(std::span<const ChannelId> channels) noexcept = 0;
    /** Descriptors or entries are short: closes the unused channels of all applications of this
     *  process. */
    virtual void relieve() { closeIdle(); }
    /** Forgets queues and channels: the agent that knew them has ended. */
    void forget() noexcept EXCLUDES(mutex_);
    /** For destructors of derived classes: closes all unused channels. */
    void dropChannels() noexcept EXCLUDES(mutex_);

private:
    /** By QueueChoice::number(). */
    using InstanceLinks = std::unordered_map<std::uint32_t, QueueLinkPtr>;
    using Channels = ChannelStock::Channels;

    static unsigned processors();
    QueueLinkPtr freshLink(const Options &options, Generation unusable) EXCLUDES(mutex_);
    QueueLinkPtr known(QueueChoice choice) REQUIRES(mutex_);
    Links attachWithRelief(const Options &options, Generation unusable) EXCLUDES(mutex_);
    InstanceLinks takeClosed() REQUIRES(mutex_);
    std::uint64_t epoch() EXCLUDES(mutex_);
    QueueLinkPtr takeEnded() REQUIRES(mutex_);
    std::unique_ptr<ReplyChannel> tryChannel(const QueueLink &link) EXCLUDES(mutex_);
    std::unique_ptr<ReplyChannel> makeChannel(const QueueLink &link) EXCLUDES(mutex_);
    void keep(Channels channels) EXCLUDES(mutex_);
    void unregister(ChannelId channel) noexcept EXCLUDES(mutex_);
    void unregister(std::vector<ChannelId> gone) noexcept EXCLUDES(mutex_);
    void release(const Channels &channels) noexcept;

    /** @throws RefusedException */
    void checkHeldUpDescriptors() const;

    /** The application, in DescriptorCloser. */
    const DescriptorSender sender_ = newDescriptorSender();
    BodyFilesInFlight bodyFiles_;
    QueueDelay queueDelay_;
    BusyPolling busyPolling_{processors()};
    Mutex mutex_{Locks::QUEUE_CACHE};
    QueueLinkPtr link_ GUARDED_BY(mutex_);
    ToldOptions told_ GUARDED_BY(mutex_);
    /** Each question to the agent drops the closed queues. So there are at most 1,024 queues of
     *  serving instances, and those of instances that ended since the last question. */
    InstanceLinks instances_ GUARDED_BY(mutex_);
    UnknownInstances unknown_ GUARDED_BY(mutex_);
    ChannelStock channels_ GUARDED_BY(mutex_);
    /** Closed channels that the agent still has to be told of. */
    std::vector<ChannelId> untold_ GUARDED_BY(mutex_);
    bool cutOff_ GUARDED_BY(mutex_) = false;
    /** Grows when the agent is replaced. Channels of an older epoch are not kept. */
    std::uint64_t epoch_ GUARDED_BY(mutex_) = 0;
};

}  // namespace Passenger
