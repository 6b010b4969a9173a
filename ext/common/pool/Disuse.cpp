#include "pool/Disuse.h"

namespace Passenger {

namespace {

/** An application is looked at so often in the time after which it is forgotten. */
constexpr int LOOKS = 4;
constexpr std::chrono::seconds ABANDONED_LOOK{1};

}  // namespace

bool Disuse::isUnused() const {
    return !parts_.queue.current() && isUnusedButQueue();
}

bool Disuse::isUnusedButQueue() const {
    return parts_.instances.empty() && parts_.spawns.none() && !parts_.versions.deployment() &&
           !parts_.preloader.reforking() &&
           // A child without a channel has no request, whatever the children have counted.
           !parts_.channels.hasChannels(parts_.queue.slot());
}

bool Disuse::isOver(MonotonicTime now) {
    const bool unused = isUnused();
    if (unused && abandoned_) {
        return true;
    }
    // After a failed deployment the preloader alone can start the version that served.
    if (!unused || (parts_.versions.failure() && parts_.preloader.isLoaded())) {
        lastUsed_ = now;
    }
    const std::chrono::nanoseconds time = parts_.settings.forgetTime;
    return time > std::chrono::nanoseconds(0) && now - lastUsed_ >= time;
}

std::optional<MonotonicTime> Disuse::nextLook(MonotonicTime now) const {
    const std::chrono::nanoseconds time = parts_.settings.forgetTime;
    if (time == std::chrono::nanoseconds(0) && !abandoned_) {
        return std::nullopt;
    }
    return now + (abandoned_ ? std::chrono::nanoseconds(ABANDONED_LOOK) : time / LOOKS);
}

}  // namespace Passenger
