#pragma once

#include <optional>

#include "base/Clock.h"
#include "pool/ApplicationQueue.h"
#include "pool/ChannelRegistry.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/PreloaderCare.h"
#include "pool/Spawns.h"
#include "pool/Versions.h"

namespace Passenger {

/**
 * Notes when an application was last used. An unused application has no instance, none on its way,
 * no request and no queue, and no child has a reply channel of it. After PoolSettings::forgetTime
 * (PassengerMaxAppIdleTime) without use it is to be forgotten.
 *
 * Owned by the Group; guarded by the pool's lock.
 */
class Disuse {
public:
    /** The parts that show whether an application is used. */
    struct Parts {
        const PoolSettings &settings;
        const ChannelRegistry &channels;
        const ApplicationQueue &queue;
        const Instances &instances;
        const Spawns &spawns;
        const Versions &versions;
        const PreloaderCare &preloader;
    };

    /** Everything outlives this object. */
    Disuse(const Parts &parts, MonotonicTime now) : parts_(parts), lastUsed_(now) {}

    bool isUnused() const;
    /** Whether the application is unused except for a queue in which no child has put anything. */
    bool isUnusedButQueue() const;
    bool isAbandoned() const noexcept { return abandoned_; }
    /** When the application was last seen to be used. */
    MonotonicTime lastUsed() const noexcept { return lastUsed_; }
    /** @param removed the child that asks has an earlier configuration, which alone has the
     *      application */
    void noteUse(MonotonicTime now, bool removed) noexcept {
        lastUsed_ = now;
        abandoned_ = removed;
    }
    /** httpd's configuration has the application no more. The application is to be forgotten as
     *  soon as it is unused, unless a child with the old configuration asks for it again. */
    void abandon() noexcept { abandoned_ = true; }
    /** Looks. @return whether the application has been unused for long enough */
    bool isOver(MonotonicTime now);
    /** When to look next: an unused application has no other date. Nothing: it is not forgotten. */
    std::optional<MonotonicTime> nextLook(MonotonicTime now) const;

private:
    const Parts parts_;
    MonotonicTime lastUsed_;
    bool abandoned_ = false;
};

}  // namespace Passenger
