#include "pool/SenderEvents.h"

#include <map>
#include <optional>

#include "pool/Group.h"

namespace Passenger {

void SenderEvents::gone(std::uint32_t childSlot) {
    {
        // First: sums over the slots that the registry knows have the counts of the child once.
        const PoolGuard guard(context_);
        for (Group *group : groups_.all()) {
            group->forgetChild(childSlot);
        }
    }
    const std::vector<Channel> channels = context_.channels.removeSender(childSlot);
    const PoolGuard guard(context_);
    tellGroups(channels);
}

bool SenderEvents::channelAdded(ChannelId channel, std::uint32_t groupSlot, Generation generation) {
    const PoolGuard guard(context_);
    Group *group = groups_.at(groupSlot);
    if (!group || (generation != Generation() && !group->owns(generation))) {
        return false;
    }
    group->channelAdded(channel);
    return true;
}

void SenderEvents::channelsGone(std::uint32_t childSlot, std::span<const ChannelId> channels) {
    std::vector<Channel> gone;
    for (const ChannelId channel : channels) {
        if (const std::optional<std::uint32_t> groupSlot = context_.channels.remove(channel, childSlot)) {
            gone.emplace_back(channel, *groupSlot);
        }
    }
    const PoolGuard guard(context_);
    tellGroups(gone);
}

void SenderEvents::tellGroups(const std::vector<Channel> &gone) {
    std::map<std::uint32_t, std::vector<ChannelId>> byGroup;
    for (const auto &[channel, groupSlot] : gone) {
        byGroup[groupSlot].push_back(channel);
    }
    for (const auto &[groupSlot, channels] : byGroup) {
        if (Group *group = groups_.at(groupSlot)) {
            group->channelsGone(channels);
        }
    }
}

bool SenderEvents::requestOverran(std::uint32_t childSlot, std::uint32_t groupSlot, ChannelId channel, Ticket ticket,
                                  std::chrono::milliseconds time) {
    const PoolGuard guard(context_);
    Group *group = ownerOf(childSlot, groupSlot, channel);
    return group && group->requestOverran(channel, ticket, time);
}

void SenderEvents::requestIsSlow(std::uint32_t childSlot, std::uint32_t groupSlot, ChannelId channel, Ticket ticket,
                                 std::chrono::milliseconds time) {
    const PoolGuard guard(context_);
    if (Group *group = ownerOf(childSlot, groupSlot, channel)) {
        group->requestIsSlow(channel, ticket, time);
    }
}

/** Null: the channel is not this sender's, or there is no such Group. */
Group *SenderEvents::ownerOf(std::uint32_t childSlot, std::uint32_t groupSlot, ChannelId channel) const {
    return context_.channels.owns(childSlot, channel, groupSlot) ? groups_.at(groupSlot) : nullptr;
}

}  // namespace Passenger
