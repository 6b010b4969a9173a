#pragma once

#include <string>

#include "base/AppCounters.h"
#include "pool/ApplicationQueue.h"
#include "pool/Demand.h"
#include "pool/Instances.h"
#include "pool/PendingSpawns.h"
#include "pool/PoolContext.h"
#include "pool/QueuePause.h"
#include "pool/SpawnTask.h"
#include "pool/Versions.h"

namespace Passenger {

/**
 * Decides which instances of an application serve next, and which ones end for them. A version
 * takes over with its first instance and the companions; the successor of an instance that is due
 * takes its place. With a limit of one, the next instance stands by until no other one works.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits.
 */
class Succession {
public:
    /** What it works with. */
    struct Parts {
        const std::string &app;
        PoolContext &context;
        ApplicationQueue &queue;
        Instances &instances;
        const QueuePause &pause;
        const PendingSpawns &pending;
        Versions &versions;
        Demand &demand;
        AppCounters &counters;
    };

    /** Everything outlives this object. */
    explicit Succession(const Parts &parts) : parts_(parts) {}

    /** Whether an instance of the current version stands by until no other one works. */
    bool standsBy() const noexcept REQUIRES(poolLock) {
        return parts_.instances.standby(parts_.versions.current()) != nullptr;
    }
    /** Whether an instance serves, stands by, or is being taken over from an earlier pool
     *  process. */
    bool servesSoon() const noexcept REQUIRES(poolLock) {
        return parts_.instances.serving() > 0 || standsBy() || parts_.pending.adopts();
    }
    /** Whether an instance that is ready may not serve yet. With a limit of one, two instances
     *  never serve: the new one waits for the old one's last request. The limit may have been
     *  lowered since the new one was ordered. */
    bool mustStandBy() const REQUIRES(poolLock) {
        return parts_.demand.maxInstances() == 1 && !parts_.instances.empty();
    }
    /** Whether an instance takes another one's place at this moment. The limits may then be
     *  exceeded by one. */
    bool replacing() const REQUIRES(poolLock);
    /** Whether an instance is being started to replace something, even if it is not needed now. */
    bool startingReplacement() const noexcept REQUIRES(poolLock) {
        return parts_.pending.starting() > parts_.pending.growing();
    }

    /** The instances that the task's instance replaces end. It is ready, or stands by. */
    void takeOver(const SpawnTask &task) REQUIRES(poolLock);
    /** Instances that stand by serve from now on, if they may. */
    void activateStandby() REQUIRES(poolLock) {
        if (activate()) {
            parts_.demand.adjustRestore();
            parts_.instances.publish();
        }
    }

private:
    bool activate() REQUIRES(poolLock);

    const Parts parts_;
};

}  // namespace Passenger
