#include "exchange/QueueCache.h"

#include <cerrno>
#include <chrono>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include "base/CpuQuota.h"
#include "base/DescriptorCloser.h"
#include "base/DescriptorLimit.h"
#include "base/Lists.h"
#include "base/Processors.h"
#include "io/MessageRoom.h"
#include "io/RequestQueue.h"
#include "io/SocketPair.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

/** A request waits so long for a descriptor. */
constexpr std::chrono::milliseconds RELIEF_TIME{20};

/** @throws DescriptorShortageException, SystemException */
DescriptorPair channelEnds() {
    try {
        DescriptorPair ends = makeSeqPacketPair();
        makeRoomForMessages(ends.first, MAX_MESSAGE);
        makeRoomForMessages(ends.second, MAX_MESSAGE);
        return ends;
    } catch (const SystemException &error) {
        if (error.error() == EMFILE) {
            throw DescriptorShortageException(std::string(error.what()) + ": " + explainDescriptorLimit());
        }
        throw;
    }
}

std::vector<ChannelId> idsOf(const ChannelStock::Channels &channels) {
    return listOf(channels, &ReplyChannel::id);
}

/** @throws DescriptorShortageException */
std::uint32_t newEntry(InFlightTable &table) {
    try {
        return table.allocate();
    } catch (const IOException &error) {
        throw DescriptorShortageException(error.what());
    }
}

}  // namespace

Links Links::of(std::shared_ptr<QueueLink> queue, FileDescriptor ownQueue) {
    Links links{std::move(queue), nullptr};
    if (ownQueue) {
        links.instance = std::make_shared<QueueLink>(
            QueueLink{links.queue->groupSlot, links.queue->generation, std::move(ownQueue), links.queue->memory, 0});
    }
    return links;
}

/** Looked up once in a process: there may be thousands of applications. */
unsigned QueueCache::processors() {
    static const unsigned found = wholeProcessors({}, static_cast<unsigned>(processorsOf().size()));
    return found;
}

QueueLinkPtr QueueCache::link(const Options &options, Generation unusable) {
    QueueLinkPtr usable;
    {
        const LockGuard guard(mutex_);
        QueueLinkPtr link = known(options.queueChoice());
        if (link && link->generation != unusable && generations().generation(link->groupSlot) == link->generation) {
            if (!told_.isToTell(options.request.settings, clock())) {
                return link;
            }
            usable = std::move(link);
            // Other requests with these options need not tell them, too.
            told_.noteTold(options.request.settings, clock());
        }
    }
    if (!usable) {
        return freshLink(options, unusable);
    }
    // No answer is awaited: the queue serves, whatever the agent does.
    if (!tellOptions(options)) {
        const LockGuard guard(mutex_);
        told_.noteUntold(options.request.settings, clock());
    }
    return usable;
}

/** Asks the agent. */
QueueLinkPtr QueueCache::freshLink(const Options &options, Generation unusable) {
    const QueueChoice choice = options.queueChoice();
    // Destroyed without the lock.
    Links fresh;
    QueueLinkPtr old;
    InstanceLinks closed;
    for (;;) {
        const std::uint64_t before = epoch();
        fresh = attachWithRelief(options, unusable);
        const LockGuard guard(mutex_);
        // The agent may have been replaced before its answer, or right after it.
        if (epoch_ == before) {
            fresh.queue->epoch = before;
            old = std::exchange(link_, fresh.queue);
            told_.noteTold(options.request.settings, clock());
            closed = takeClosed();
            if (old && old->generation != fresh.queue->generation) {
                unknown_.clear();
            }
            if (!fresh.instance) {
                if (!choice.isCommon()) {
                    unknown_.add(choice.number(), clock());
                }
                return fresh.queue;
            }
            fresh.instance->epoch = before;
            instances_.insert_or_assign(choice.number(), fresh.instance);
            return fresh.instance;
        }
    }
}

/** If descriptors are short, idle channels end first. */
Links QueueCache::attachWithRelief(const Options &options, Generation unusable) {
    try {
        return attach(options, unusable);
    } catch (const DescriptorShortageException &) {
        relieve();
    }
    std::this_thread::sleep_for(RELIEF_TIME);
    return attach(options, unusable);
}

/** The known queue of this instance, or the application's queue. */
QueueLinkPtr QueueCache::known(QueueChoice choice) {
    if (choice.isCommon()) {
        return link_;
    }
    const auto found = instances_.find(choice.number());
    if (found != instances_.end()) {
        return found->second;
    }
    return choice.isInstance() && unknown_.contains(choice.number(), clock()) ? link_ : nullptr;
}

QueueCache::InstanceLinks QueueCache::takeClosed() {
    InstanceLinks closed;
    for (auto next = instances_.begin(); next != instances_.end();) {
        const auto link = next++;
        if (RequestQueue::closed(link->second->sending.get())) {
            closed.insert(instances_.extract(link));
        }
    }
    return closed;
}

std::unique_ptr<ReplyChannel> QueueCache::takeChannel(const QueueLink &link) {
    checkHeldUpDescriptors();
    {
        const LockGuard guard(mutex_);
        if (cutOff_) {
            throw RefusedException(503, "", "this server process is ending");
        }
        if (link.epoch != epoch_) {
            return nullptr;
        }
        if (std::unique_ptr<ReplyChannel> channel = channels_.take()) {
            return channel;
        }
    }
    return makeChannel(link);
}

/** A descriptor that an instance sends cannot be refused, only its requests. */
void QueueCache::checkHeldUpDescriptors() const {
    const DescriptorCloser *const closer = DescriptorCloser::inUse();
    const std::size_t pending = closer != nullptr ? closer->heldUp(sender_) : 0;
    if (pending > MOST_HELD_UP_DESCRIPTORS && closer->threads() == 0) {
        throw RefusedException(503, "",
                               "this process of httpd can make no thread that closes " + std::to_string(pending) +
                                   " descriptors; it sends the application no requests until they are closed");
    }
    if (pending > MOST_HELD_UP_DESCRIPTORS) {
        throw RefusedException(
            503, "",
            "the application has sent " + std::to_string(pending) +
                " descriptors whose close waits, such as files of a file system that does not answer; this process "
                "of httpd sends it no requests until they are closed");
    }
}

/** If descriptors or entries are short, idle channels end first. Nothing: the agent was replaced,
 *  or has forgotten the application. */
std::unique_ptr<ReplyChannel> QueueCache::makeChannel(const QueueLink &link) {
    try {
        return tryChannel(link);
    } catch (const DescriptorShortageException &) {
        relieve();
    }
    // The agent has asked the other processes for their idle channels, too.
    std::this_thread::sleep_for(RELIEF_TIME);
    return tryChannel(link);
}

/** Makes a channel, as makeChannel() does, but without a second attempt. */
std::unique_ptr<ReplyChannel> QueueCache::tryChannel(const QueueLink &link) {
    DescriptorPair pair = channelEnds();
    const ChannelSecret secret = ChannelSecret::random();
    const std::uint32_t entry = newEntry(inFlightTable());
    std::optional<ChannelId> id;
    try {
        id = registerChannel(pair.second, link, secret);
    } catch (...) {
        inFlightTable().release(entry);
        throw;
    }
    if (id) {
        auto channel = std::make_unique<ReplyChannel>(std::move(pair.first), *id, entry, link.epoch, secret, sender_);
        const LockGuard guard(mutex_);
        if (link.epoch == epoch_) {
            channels_.add(*channel);
            if (cutOff_) {
                channel->shutDown();
            }
            return channel;
        }
    }
    inFlightTable().release(entry);
    if (id) {
        // The new agent answered. In its table the queue's slot belongs to another application.
        unregister(*id);
    }
    return nullptr;
}

std::uint64_t QueueCache::epoch() {
    const LockGuard guard(mutex_);
    return epoch_;
}

void QueueCache::giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept {
    bool known;
    {
        const LockGuard guard(mutex_);
        known = channel->epoch() == epoch_;
        if (clean && known && !channel->ticketsUsedUp()) {
            channels_.put(std::move(channel));
            return;
        }
        channels_.remove(*channel);
    }
    inFlightTable().release(channel->inFlightEntry());
    if (known) {
        unregister(channel->id());
    }
}

void QueueCache::trim() {
    Channels channels;
    Channels fouled;
    QueueLinkPtr ended;
    InstanceLinks closed;
    {
        const LockGuard guard(mutex_);
        channels = channels_.takeUnused();
        fouled = channels_.takeFouled();
        ended = takeEnded();
        closed = takeClosed();
    }
    for (const std::unique_ptr<ReplyChannel> &channel : fouled) {
        channel->shutDown();
        inFlightTable().release(channel->inFlightEntry());
        unregister(channel->id());
    }
    unregister(std::vector<ChannelId>());
    if (channels.empty()) {
        return;
    }
    if (unregisterChannels(idsOf(channels))) {
        release(channels);
    } else {
        keep(std::move(channels));
    }
}

bool QueueCache::isEmpty() {
    const DescriptorCloser *const closer = DescriptorCloser::inUse();
    const bool closes = closer != nullptr && closer->closes(sender_);
    const LockGuard guard(mutex_);
    return !link_ && instances_.empty() && channels_.empty() && untold_.empty() && !closes;
}

void QueueCache::closeIdle() {
    Channels channels;
    {
        const LockGuard guard(mutex_);
        channels = channels_.takeFree();
    }
    unregister(idsOf(channels));
    release(channels);
    channels.clear();
    trim();
}

/** Keeps channels that could not be unregistered, until the next trim(). */
void QueueCache::keep(Channels channels) {
    Channels worthless;
    {
        const LockGuard guard(mutex_);
        // All channels are of one epoch.
        if (channels.front()->epoch() == epoch_) {
            channels_.keep(std::move(channels));
        } else {
            worthless.swap(channels);
        }
    }
    release(worthless);
}

void QueueCache::unregister(ChannelId channel) noexcept {
    try {
        unregister(std::vector<ChannelId>{channel});
    } catch (const std::bad_alloc &) {
        // The agent forgets it at the latest when this process ends.
    }
}

/** Tells the agent that these channels are closed, and others of which it could not be told
 *  before. */
void QueueCache::unregister(std::vector<ChannelId> gone) noexcept {
    try {
        {
            const LockGuard guard(mutex_);
            gone.insert(gone.end(), untold_.begin(), untold_.end());
            untold_.clear();
        }
        if (!gone.empty() && !unregisterChannels(gone)) {
            const LockGuard guard(mutex_);
            untold_.insert(untold_.end(), gone.begin(), gone.end());
        }
    } catch (const std::bad_alloc &) {
        // The agent forgets them at the latest when this process ends.
    }
}

/** Removes and returns the application's queue, if it has ended. */
QueueLinkPtr QueueCache::takeEnded() {
    return link_ && RequestQueue::closed(link_->sending.get()) ? std::exchange(link_, nullptr) : nullptr;
}

void QueueCache::cutOff() noexcept {
    const LockGuard guard(mutex_);
    cutOff_ = true;
    channels_.shutDown();
}

void QueueCache::forget() noexcept {
    QueueLinkPtr old;
    InstanceLinks instances;
    Channels channels;
    {
        const LockGuard guard(mutex_);
        epoch_++;
        untold_.clear();
        old.swap(link_);
        instances.swap(instances_);
        unknown_ = UnknownInstances();
        channels = channels_.takeFree();
    }
    release(channels);
}

void QueueCache::dropChannels() noexcept {
    Channels channels;
    {
        const LockGuard guard(mutex_);
        channels = channels_.takeFree();
    }
    release(channels);
}

void QueueCache::release(const Channels &channels) noexcept {
    for (const std::unique_ptr<ReplyChannel> &channel : channels) {
        inFlightTable().release(channel->inFlightEntry());
    }
}

}  // namespace Passenger
