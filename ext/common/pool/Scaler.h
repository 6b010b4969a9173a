#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/AppCounters.h"
#include "base/Clock.h"
#include "exchange/Options.h"
#include "pool/ApplicationQueue.h"
#include "pool/Demand.h"
#include "pool/HangWatch.h"
#include "pool/InstanceStarter.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/PreloaderCare.h"
#include "pool/Spares.h"
#include "pool/Spawns.h"
#include "pool/Succession.h"
#include "pool/Versions.h"

namespace Passenger {

class Room;

/**
 * Keeps the number of an application's instances right. Starts the instances that the requests, the
 * minimum, the spares, a deployment and replacements need, as far as failures and the pool's room
 * allow. Ends idle instances, and sets the date at which it looks again.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits.
 *
 * Always true for a request that waits, after rescale(): an instance serves or is being started, or
 * the Room has this object's wish. Or there is a date at which the object looks again.
 */
class Scaler {
public:
    /** What a Scaler works with. */
    struct Parts {
        const std::string &app;
        /** The present options of the application. */
        const Options &options;
        PoolContext &context;
        Room &room;
        ApplicationQueue &queue;
        Instances &instances;
        const Spawns &spawns;
        Versions &versions;
        Demand &demand;
        const Succession &succession;
        HangWatch &hangs;
        PreloaderCare &preloader;
        InstanceStarter &starter;
        AppCounters &counters;
    };
    /** Takes the date at which the application is to be looked at again; nothing: none. */
    using SetDate = std::function<void(std::optional<MonotonicTime>)>;

    /** Everything outlives this object. The owner adds it to the Room. */
    Scaler(const Parts &parts, SetDate setDate) REQUIRES(poolLock);
    Scaler(const Scaler &) = delete;
    Scaler &operator=(const Scaler &) = delete;

    /** Starts what is needed and allowed, and sets the next date. Called whenever the need or the
     *  room may have grown. */
    void rescale() REQUIRES(poolLock);
    /** There may be more room, or a start is over: this application and others may start an
     *  instance. */
    void roomCame() REQUIRES(poolLock);
    /** Ends the idle instances that were not needed for long enough, and kills those that were told
     *  to end long ago. */
    void endUnneeded(MonotonicTime now) REQUIRES(poolLock);
    /** Whether a new version, with so many instances ready, is to have another one before it takes
     *  over: the requests need as many now. A preloader's forks share its memory. So they may be
     *  above the limits until the old instances end. @param forked whether it would be one */
    bool wantsCompanion(unsigned ready, bool forked) const REQUIRES(poolLock);
    /** A new instance that replaces nothing serves. */
    void grown(MonotonicTime now) REQUIRES(poolLock) { spares_.restart(now); }
    /** The application goes down: children ask again when they have a request. */
    void closeQueue() REQUIRES(poolLock);
    /** Calls closeQueue() if nobody uses the queue. */
    void closeQueueIfUnused() REQUIRES(poolLock);
    /** From now on nothing is started, and there is no date. */
    void stop() REQUIRES(poolLock);

    // ----- For the Room

    std::uint32_t slot() const noexcept { return parts_.queue.slot(); }
    const Demand &demand() const noexcept REQUIRES(poolLock) { return parts_.demand; }
    const Instances &instances() const noexcept REQUIRES(poolLock) { return parts_.instances; }
    const Spawns &spawns() const noexcept REQUIRES(poolLock) { return parts_.spawns; }
    const Succession &succession() const noexcept REQUIRES(poolLock) { return parts_.succession; }
    /** All instances that live or are on their way: what counts for the pool's limit. */
    unsigned size() const noexcept REQUIRES(poolLock) { return parts_.instances.living() + parts_.spawns.starting(); }
    /** How many of them the pool's limit does not count: a preloader's forks that wait for the
     *  takeover of their version. */
    unsigned aboveLimit() const noexcept REQUIRES(poolLock) {
        return parts_.instances.forkedCompanions(parts_.versions.current()) + parts_.spawns.aboveLimit();
    }
    /** Whether it has as many instances as its own limit allows. */
    bool atLimit() const REQUIRES(poolLock);
    const Options &options() const noexcept REQUIRES(poolLock) { return parts_.options; }
    const std::string &name() const noexcept { return parts_.app; }
    /** Whether a fork of a loaded preloader would be its next instance of the current version. */
    bool forks() const REQUIRES(poolLock) { return parts_.preloader.isLoaded(); }
    /** Whether its last instance is the only thing that is left of a version whose successor did
     *  not start: without it requests get the failure. */
    bool isIrreplaceable() const REQUIRES(poolLock) { return keepsLast() && !forks(); }
    /** Ends an instance to make room for another application. Only with a room candidate. */
    void evict() REQUIRES(poolLock);
    /** Ends this instance after its requests, since its memory is needed. @param restored another
     *  one takes its place as soon as there is room */
    void giveUp(const ProcessPtr &process, const std::string &why, bool restored) REQUIRES(poolLock);
    /** The instance serves until another one has taken its place. */
    void replace(Process &process, const std::string &why) REQUIRES(poolLock);

private:
    enum class First { OLDEST, YOUNGEST };

    /** Whether one instance serves, of a version whose successor did not start. */
    bool keepsLast() const REQUIRES(poolLock) { return parts_.versions.failure() && parts_.instances.serving() == 1; }
    void end(const ProcessPtr &process) REQUIRES(poolLock);
    bool asked() const REQUIRES(poolLock);
    bool mayTry(MonotonicTime now) const REQUIRES(poolLock);

    bool oldVersionReturns() const REQUIRES(poolLock);
    bool holdsGrowth() const REQUIRES(poolLock);
    bool deploy(MonotonicTime now) REQUIRES(poolLock);
    bool replaceOne(MonotonicTime now) REQUIRES(poolLock);
    bool deployAgain(MonotonicTime now) REQUIRES(poolLock);
    void adopt(MonotonicTime now) REQUIRES(poolLock);
    void ensureQueue() REQUIRES(poolLock);
    void grow(MonotonicTime now) REQUIRES(poolLock);
    unsigned missing(MonotonicTime now) REQUIRES(poolLock);
    void startSpares(MonotonicTime now) REQUIRES(poolLock);
    void plan(MonotonicTime now) REQUIRES(poolLock);
    void endIdle(unsigned surplus, First first, const char *event, const char *reason) REQUIRES(poolLock);

    const Parts parts_;
    const SetDate setDate_;
    bool stopped_ GUARDED_BY(poolLock) = false;
    Spares spares_ GUARDED_BY(poolLock);
};

}  // namespace Passenger
