#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/AppCounters.h"
#include "base/Clock.h"
#include "control/AppStatus.h"
#include "exchange/Options.h"
#include "pool/ApplicationQueue.h"
#include "pool/Demand.h"
#include "pool/FailureReports.h"
#include "pool/FirstAnswer.h"
#include "pool/GetFailure.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/PreloaderCare.h"
#include "pool/QueuePause.h"
#include "pool/SpawnTask.h"
#include "pool/Spawns.h"
#include "pool/StartupFiles.h"
#include "pool/Versions.h"

namespace Passenger {

/**
 * Begins the versions of an application, and decides which instances serve next and which ones end
 * for them. With PassengerRollingRestarts a version takes over with its first instance and the
 * companions; one that does not start is given up. The successor of an instance that is due takes
 * its place. With a limit of one, the next instance stands by until no other one works.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits.
 */
class Succession {
public:
    /** What it works with. */
    struct Parts {
        const std::string &app;
        /** The present options of the application. */
        const Options &options;
        PoolContext &context;
        ApplicationQueue &queue;
        Instances &instances;
        const QueuePause &pause;
        Spawns &spawns;
        FailureReports &reports;
        Versions &versions;
        Demand &demand;
        const PreloaderCare &preloader;
        AppCounters &counters;
    };

    /** Everything outlives this object. */
    explicit Succession(const Parts &parts)
        : parts_(parts),
          startupFiles_(parts.options),
          firstAnswer_(parts.app, parts.queue, parts.instances, parts.versions) {}

    /** Whether an instance of the current version stands by until no other one works. */
    bool standsBy() const noexcept REQUIRES(poolLock) {
        return parts_.instances.standby(parts_.versions.current()) != nullptr;
    }
    /** Whether an instance serves, stands by, or is being taken over from an earlier pool
     *  process. */
    bool servesSoon() const noexcept REQUIRES(poolLock) {
        return parts_.instances.serving() > 0 || standsBy() || parts_.spawns.adopts();
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
        return parts_.spawns.starting() > parts_.spawns.growing();
    }

    // ----- Versions

    /** The application has changed: its new version serves when the first instance is ready, or at
     *  once if nothing serves. @throws SystemException nothing has changed then */
    void restart(const std::string &reason) REQUIRES(poolLock);
    /** These options are in force. @return whether a version has begun with their startup file
     *  @throws SystemException as restart() */
    bool follow(const Options &options) REQUIRES(poolLock);
    /** Whether always_restart.txt asks for a restart now: the newest instances had a request, and
     *  none is on its way. */
    bool mayAlwaysRestart() const REQUIRES(poolLock);
    /** Nothing: there was none. */
    std::optional<RestartStatus> lastRestart(MonotonicTime now) const REQUIRES(poolLock);
    /** The task has failed. It may have been the last attempt at a new version. @param seen
     *  RestartFiles' @return whether that version is given up, and the old one stays */
    bool attemptFailed(const SpawnTask &task, const GetFailure &failure, const std::string &seen) REQUIRES(poolLock);
    /** An earlier pool process has seen the last deployment fail. */
    void assumeFailed() REQUIRES(poolLock) {
        parts_.versions.assumeFailed();
        startupFiles_.changed();
    }
    /** See FirstAnswer. */
    void look(MonotonicTime now) REQUIRES(poolLock) { firstAnswer_.look(now); }
    std::optional<MonotonicTime> nextLook(MonotonicTime now) REQUIRES(poolLock) { return firstAnswer_.nextLook(now); }

    // ----- Instances

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
    void begin(const std::string &reason) REQUIRES(poolLock);
    bool activate() REQUIRES(poolLock);
    std::string_view afterFailure() const REQUIRES(poolLock);

    const Parts parts_;
    StartupFiles startupFiles_;
    FirstAnswer firstAnswer_;
    /** Of the last restart. */
    std::string restartReason_;
    MonotonicTime restartedAt_;
};

}  // namespace Passenger
