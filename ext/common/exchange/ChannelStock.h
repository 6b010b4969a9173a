#pragma once

#include <cstddef>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

#include "io/ReplyChannel.h"

namespace Passenger {

/**
 * The reply channels of one application in a sending process: those that are unused, and which
 * there are. Not thread-safe. It destroys none: its owner does so without the lock.
 */
class ChannelStock {
public:
    using Channels = std::vector<std::unique_ptr<ReplyChannel>>;

    /** No channel is in use, and none is unused. */
    bool empty() const noexcept { return all_.empty(); }
    /** A new channel, which is in use. */
    void add(ReplyChannel &channel) { all_.insert(&channel); }
    /** A channel that was in use ends. */
    void remove(ReplyChannel &channel) noexcept { all_.erase(&channel); }
    /** The unused channel that was used last; null: there is none. */
    std::unique_ptr<ReplyChannel> take() noexcept;
    /** A channel is unused from now on. */
    void put(std::unique_ptr<ReplyChannel> channel) { free_.push_back(std::move(channel)); }
    /** Channels that takeUnused() has returned: the next call returns them again. */
    void keep(Channels channels);

    /** Removes and returns the channels that no exchange has used since the last call. */
    Channels takeUnused();
    /** Removes and returns the unused channels that hold a message, or were shut down. */
    Channels takeFouled();
    /** Removes and returns all unused channels. */
    Channels takeFree() noexcept;
    /** Ends all exchanges. */
    void shutDown() noexcept;

private:
    Channels takeOut(Channels::iterator first, Channels::iterator last);

    /** The last channel is used next, so channels that were unused for long come first. */
    Channels free_;
    /** The number of channels in free_ that takeUnused() is to return. */
    std::size_t unused_ = 0;
    /** Also those in use. */
    std::unordered_set<ReplyChannel *> all_;
};

}  // namespace Passenger
