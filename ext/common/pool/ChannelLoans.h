#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/Clock.h"
#include "base/StrongId.h"
#include "pool/ApplicationQueue.h"
#include "pool/ChannelRegistry.h"
#include "pool/Process.h"

namespace Passenger {

/**
 * Gives instances of an application the reply channels that they ask for. An instance without a
 * channel drops the request, so requests that wait are rechecked then.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits.
 */
class ChannelLoans {
public:
    /** All arguments outlive this object. @param slot of the application */
    ChannelLoans(ChannelRegistry &channels, std::uint32_t slot, ApplicationQueue &queue)
        : channels_(channels), slot_(slot), queue_(queue) {}

    /** Answers FETCH. */
    void lend(Process &process, ChannelId channel);
    /**
     * The instance has no descriptor left for the channel.
     * @return false: it was not given this channel
     */
    bool lost(Process &process, ChannelId channel, MonotonicTime now);

private:
    /** The pause between two RECHECKs. The only instance of an application takes a rechecked
     *  request again at once, and a child sends a request at most 1,000 times. */
    static constexpr std::chrono::milliseconds BETWEEN_RECHECKS{100};

    ChannelRegistry &channels_;
    const std::uint32_t slot_;
    ApplicationQueue &queue_;
    std::optional<MonotonicTime> recheckedAt_;
};

}  // namespace Passenger
