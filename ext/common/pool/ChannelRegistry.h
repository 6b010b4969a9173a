#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "base/StrongId.h"
#include "io/ChannelSecret.h"
#include "loop/EventLoop.h"
#include "loop/Timer.h"
#include "pool/ChildLimits.h"
#include "shm/GenerationTable.h"
#include "shm/InFlightReader.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * The senders of requests and their reply channels: the agent's copies of the channels' instance
 * ends, and the senders' in-flight tables. It sends LOST, RECHECK and REFUSED to the senders.
 *
 * Owned by main() beside the Pool, which it outlives. Thread-safe; its lock is taken after the
 * pool's. Never blocks: a timer on the loop sends what a full channel did not take.
 */
class ChannelRegistry {
public:
    explicit ChannelRegistry(EventLoop &loop);

    GenerationTable &generations() noexcept { return generations_; }
    std::uint32_t childSlots() const EXCLUDES(mutex_);
    /** Lower limits take nothing from a sender that has more. */
    void setLimits(const ChildLimits &limits) EXCLUDES(mutex_);
    ChildLimits limits() const EXCLUDES(mutex_);

    /** A process that sends requests. @return its slot. @throws ChildLimitReached (4,096) */
    std::uint32_t addSender(InFlightReader inFlightTable) EXCLUDES(mutex_);
    /** It is gone. @return its channels, which are forgotten */
    std::vector<std::pair<ChannelId, std::uint32_t>> removeSender(std::uint32_t childSlot) EXCLUDES(mutex_);

    /**
     * A channel of this sender for this Group. Its id was never used.
     * @param secret messages to the channel's child begin with it
     * @throws ChildLimitReached, also when there are 65,535, and when instances of the Group keep
     *     those that were given up from being closed; IOException (no sender has this slot)
     */
    ChannelId add(FileDescriptor instanceEnd, std::uint32_t childSlot, std::uint32_t groupSlot,
                  const ChannelSecret &secret) EXCLUDES(mutex_);
    /** Forgets a channel, if it is this sender's. @return its Group's slot */
    std::optional<std::uint32_t> remove(ChannelId channel, std::uint32_t childSlot) EXCLUDES(mutex_);
    std::size_t count(std::uint32_t childSlot) const EXCLUDES(mutex_);
    std::size_t countOfGroup(std::uint32_t groupSlot) const EXCLUDES(mutex_);
    /** Asks all senders to close the channels that they do not use. */
    void askForIdleChannels() EXCLUDES(mutex_);
    bool owns(std::uint32_t childSlot, ChannelId channel, std::uint32_t groupSlot) const EXCLUDES(mutex_);
    bool hasChannels(std::uint32_t groupSlot) const EXCLUDES(mutex_);
    /**
     * Lends the instance's end of a channel to `use`, for an instance of its own Group only. `use`
     * must not wait.
     * @return false: there is no such channel for it
     */
    bool lend(ChannelId channel, std::uint32_t groupSlot, const std::function<void(int end)> &use) EXCLUDES(mutex_);

    std::vector<InFlightEntry> inFlight(std::uint32_t groupSlot) EXCLUDES(mutex_);
    /** Whether a sender waits for each of these requests. Other than the rest, it knows channels of
     *  an earlier pool process, whose senders have asked this one. */
    bool awaitsAll(const std::vector<std::pair<ChannelId, Ticket>> &requests) EXCLUDES(mutex_);
    /** The requests in flight for a Group with their descriptions. Reads more memory. */
    std::vector<DescribedRequest> described(std::uint32_t groupSlot) EXCLUDES(mutex_);
    /**
     * Tells the channel's child, if the channel belongs to that Group.
     * @return false: the message waits for room in the channel
     */
    bool tell(ChannelId channel, Ticket ticket, std::uint32_t groupSlot, MessageType type, std::uint16_t status = 0,
              const std::string &reportId = "", const std::string &text = "") EXCLUDES(mutex_);

private:
    struct Channel {
        FileDescriptor end;
        std::uint32_t childSlot;
        std::uint32_t groupSlot;
        ChannelSecret secret;
        /** In DescriptorCloser. */
        DescriptorSender application;
    };
    struct Sender {
        InFlightReader inFlightTable;
        std::size_t channels = 0;
        /** How many channels it has, by Group. */
        std::unordered_map<std::uint32_t, std::uint32_t> byGroup{};
    };
    struct Notice {
        ChannelId channel;
        MessageHeader header;
        std::string payload;
    };
    bool isOf(std::uint32_t childSlot, std::uint64_t channel, std::uint32_t groupSlot) const REQUIRES(mutex_);
    bool deliver(const Notice &notice) REQUIRES(mutex_);
    void retry() EXCLUDES(mutex_);
    void forget(std::unordered_map<ChannelId, Channel>::iterator channel) REQUIRES(mutex_);

    mutable Mutex mutex_{Locks::CHANNEL_REGISTRY};
    GenerationTable generations_;
    ChildLimits limits_ GUARDED_BY(mutex_);
    std::map<std::uint32_t, Sender> senders_ GUARDED_BY(mutex_);
    std::unordered_map<ChannelId, Channel> channels_ GUARDED_BY(mutex_);
    /** By the slots of Groups; a child may name others. */
    std::unordered_map<std::uint32_t, DescriptorSender> applications_ GUARDED_BY(mutex_);
    /** Mark slots that may be given out, the longest unused first. */
    std::deque<std::uint16_t> freeSlots_ GUARDED_BY(mutex_);
    std::uint32_t unusedSlots_ GUARDED_BY(mutex_) = 1;
    std::uint64_t serial_ GUARDED_BY(mutex_);
    std::deque<Notice> waiting_ GUARDED_BY(mutex_);
    Timer retryTimer_;
};

}  // namespace Passenger
