#include "pool/ChannelLoans.h"

namespace Passenger {

void ChannelLoans::lend(Process &process, ChannelId channel) {
    bool given = false;
    const bool known =
        channels_.lend(channel, slot_, [&](int end) { given = process.link().giveChannel(channel, end); });
    if (!given) {
        process.link().send(Frame::of(FrameType::NO_CHANNEL, channel));
    }
    if (known && !given) {
        queue_.recheckWaiting();
    }
}

bool ChannelLoans::lost(Process &process, ChannelId channel, MonotonicTime now) {
    if (!process.link().lostChannel(channel)) {
        return false;
    }
    if (!recheckedAt_ || now - *recheckedAt_ >= BETWEEN_RECHECKS) {
        recheckedAt_ = now;
        queue_.recheckWaiting();
    }
    return true;
}

}  // namespace Passenger
