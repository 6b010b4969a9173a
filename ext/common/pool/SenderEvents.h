#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/StrongId.h"
#include "pool/Groups.h"
#include "pool/PoolContext.h"

namespace Passenger {

/**
 * What the senders of requests tell a Pool, and their ends.
 *
 * Owned by the Pool. Thread-safe.
 */
class SenderEvents {
public:
    /** Both arguments outlive this object. */
    SenderEvents(PoolContext &context, const Groups &groups) : context_(context), groups_(groups) {}

    /** A process that sent requests is gone, with its channels. */
    void gone(std::uint32_t childSlot) EXCLUDES(poolLock);
    /** A new channel's mark begins at zero. @param generation of the link that the sender has;
     *  none: it is known to be valid. False: there is no Group with this slot and generation */
    bool channelAdded(ChannelId channel, std::uint32_t groupSlot, Generation generation = Generation())
        EXCLUDES(poolLock);
    /** A sender gave channels up. Channels of other senders are ignored. */
    void channelsGone(std::uint32_t childSlot, std::span<const ChannelId> channels) EXCLUDES(poolLock);
    /**
     * Kills the instance that works at this request of this sender for longer than it may, `time`.
     * False: there is none.
     */
    bool requestOverran(std::uint32_t childSlot, std::uint32_t groupSlot, ChannelId channel, Ticket ticket,
                        std::chrono::milliseconds time) EXCLUDES(poolLock);
    /** The answer to this request of this sender has not begun within `time`. It is logged. */
    void requestIsSlow(std::uint32_t childSlot, std::uint32_t groupSlot, ChannelId channel, Ticket ticket,
                       std::chrono::milliseconds time) EXCLUDES(poolLock);

private:
    /** A channel, and the slot of its Group. */
    using Channel = std::pair<ChannelId, std::uint32_t>;

    void tellGroups(const std::vector<Channel> &gone) REQUIRES(poolLock);
    Group *ownerOf(std::uint32_t childSlot, std::uint32_t groupSlot, ChannelId channel) const REQUIRES(poolLock);

    PoolContext &context_;
    const Groups &groups_;
};

}  // namespace Passenger
