#include "pool/Scaler.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "base/ProcessMemory.h"
#include "log/Log.h"
#include "pool/Room.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** The interval at which a full pool is looked at for room: no instance tells that it is idle. */
constexpr milliseconds ROOM_LOOK{100};
/** The interval of looks for an instance that no request waits for. The applications that want one
 *  share the looks, since each look goes through all applications with instances. Room that comes
 *  by an event is given at once. */
constexpr milliseconds SPARE_ROOM_LOOK{1000};
constexpr milliseconds LONGEST_ROOM_LOOK{60000};
/** The interval at which abandoned requests are looked at: no instance tells that it has finished
 *  one. */
constexpr milliseconds ABANDONED_LOOK{1000};

using Verdict = MemoryRoom::Verdict;

}  // namespace

Scaler::Scaler(const Parts &parts, SetDate setDate)
    : parts_(parts),
      setDate_(std::move(setDate)),
      spares_(parts.options, parts.demand, parts.instances, parts.spawns) {}

void Scaler::stop() {
    stopped_ = true;
    setDate_(std::nullopt);
}

// ----- The limits

bool Scaler::atLimit() const {
    const unsigned limit = parts_.demand.maxInstances();
    return limit > 0 && size() >= limit;
}

// ----- Failing applications

/** Whether a request needs the next start. If the application serves, any request since the last
 *  failure counts. */
bool Scaler::asked() const {
    const std::optional<MonotonicTime> failed = parts_.spawns.lastFailure();
    return parts_.demand.waitingSince() ||
           (parts_.instances.serving() > 0 && failed && parts_.demand.lastBusy() > *failed);
}

bool Scaler::mayTry(MonotonicTime now) const {
    return parts_.spawns.mayTry(now) && (parts_.spawns.mayTryUnasked() || asked());
}

// ----- More instances

void Scaler::rescale() {
    if (stopped_ || parts_.context.shuttingDown) {
        return;
    }
    parts_.room.enter(*this);
    const MonotonicTime now = parts_.context.clock.now();
    parts_.queue.abandoned().forgetEnded();
    if (parts_.queue.published() != parts_.instances.counts()) {
        parts_.instances.publish();
    }
    adopt(now);
    if (!deploy(now) && !replaceOne(now)) {
        parts_.room.withdrawReplacement(*this);
    }
    grow(now);
    startSpares(now);
    parts_.room.leaveIfEmpty(*this);
    parts_.room.endSurplusOrphans();
    parts_.preloader.restIfDue(now);
    plan(now);
}

void Scaler::roomCame() {
    rescale();
    parts_.room.mayHaveCome();
}

/** Whether the last old instance has ended between two attempts of a deployment, and its preloader
 *  can fork another one. */
bool Scaler::oldVersionReturns() const {
    const Versions::Deployment *const deployment = parts_.versions.deployment();
    return deployment && !deployment->started && deployment->failures > 0 && parts_.instances.serving() == 0 &&
           parts_.options.resistDeploymentErrors && parts_.preloader.isLoaded();
}

/** While a new version is on its way, another instance of the old one would end soon. Some spawners
 *  would even make one of the new version. */
bool Scaler::holdsGrowth() const {
    const bool oldVersionGrows = parts_.room.waitsForTurn(*this) && parts_.preloader.isLoaded();
    return parts_.succession.standsBy() || (parts_.versions.deployment() && !oldVersionReturns() && !oldVersionGrows);
}

/** Starts the first instance of the new version, if there may be one more. @return whether it waits
 *  for room */
bool Scaler::deploy(MonotonicTime now) {
    // Two instances are enough where one may serve: the one that stands by serves first.
    if (!parts_.versions.deployment() || parts_.versions.deployment()->started || !parts_.spawns.mayTry(now) ||
        parts_.succession.standsBy()) {
        return false;
    }
    if (parts_.instances.serving() > 0) {
        const auto verdict = parts_.room.admitReplacement(*this, MemoryAdmission::Start::DEPLOY, now);
        if (verdict == Verdict::PREDECESSOR_FIRST) {
            giveUp(parts_.instances.leastNeeded(), "the new version needs its memory (PassengerMemoryBudget)", true);
        }
        parts_.versions.setStarted(verdict == Verdict::START && parts_.starter.start(SpawnTask::Purpose::DEPLOY));
        return verdict != Verdict::START;
    }
    if (parts_.spawns.none() && !oldVersionReturns()) {
        // Nothing serves or is about to: the new version starts like any first instance.
        parts_.versions.adopt();
        parts_.instances.retireOlderThan(parts_.versions.current());
    }
    return false;
}

/**
 * After a failed deployment an instance that loads the files anew would be one of the new version,
 * beside those of the old one. The deployment is tried again in its place, unless instances of the
 * old version wait for a take-over that could not begin just now.
 * @return whether nothing else is to be started
 */
bool Scaler::deployAgain(MonotonicTime now) {
    if (!parts_.versions.failure() || parts_.preloader.isLoaded()) {
        return false;
    }
    if (parts_.context.orphans.waiting(parts_.app) > 0) {
        return true;
    }
    try {
        QueueGenerationPtr queue = parts_.context.makeQueue(parts_.options);
        parts_.versions.deploy(parts_.context.factory.create(parts_.options), std::move(queue), now);
    } catch (const std::exception &error) {
        Log::error("event=spawn.not_started app=\"{}\" error=\"{}\"", parts_.app, error.what());
        return true;
    }
    Log::notice("event=deploy.again app=\"{}\" reason=\"an instance is needed, and the old version is not loaded\"",
                parts_.app);
    parts_.demand.restore();
    deploy(now);
    return true;
}

bool Scaler::wantsCompanion(unsigned ready, bool forked) const {
    const MonotonicTime now = parts_.context.clock.now();
    const unsigned limit = parts_.demand.maxInstances();
    // An earlier attempt at the version's first instance may have left some.
    ready = std::max(ready, 1 + parts_.instances.companions(parts_.versions.current()));
    return !stopped_ && ready < std::min(parts_.demand.atWork(), parts_.instances.serving()) &&
           (limit == 0 || ready < limit) && parts_.room.memory().isFreeFor(*this, now) &&
           (forked || (!atLimit() && parts_.room.isFreeForSpares(*this, now)));
}

/** Starts the successor of an instance that is due for replacement, one at a time. @return whether
 *  it waits for room */
bool Scaler::replaceOne(MonotonicTime now) {
    if (parts_.spawns.beingReplaced() || parts_.versions.deployment() || parts_.succession.standsBy() || !mayTry(now)) {
        return false;
    }
    const ProcessPtr due = parts_.instances.dueForReplacement();
    if (!due) {
        return false;
    }
    const auto verdict = parts_.room.admitReplacement(*this, MemoryAdmission::Start::REPLACE, now);
    if (verdict == Verdict::START) {
        if (!deployAgain(now)) {
            parts_.starter.start(SpawnTask::Purpose::REPLACE, due->id());
        }
    } else if (verdict == Verdict::PREDECESSOR_FIRST) {
        giveUp(due, "its successor needs its memory (PassengerMemoryBudget)", true);
    }
    return verdict != Verdict::START;
}

/** How many instances the requests and the minimum need now. */
unsigned Scaler::missing(MonotonicTime now) {
    ScalingSnapshot snapshot = parts_.demand.look(now);
    snapshot.starting = parts_.spawns.starting();
    if (snapshot.waiting > 0) {
        snapshot.idleCores = parts_.context.cpu.idleCores();
    }
    snapshot.cores = parts_.context.cpu.cores();
    // Instances that are to end and have only streams left do so for as long as their clients like.
    const unsigned others =
        size() - snapshot.serving - snapshot.starting - parts_.instances.drainingWithStreamsOnly(now);
    // Where one instance may live, another one starts beside it to stand by, unless the restart is
    // to end the old one first.
    const bool oneApart =
        parts_.succession.replacing() && (snapshot.maxInstances > 1 || parts_.options.rollingRestarts);
    snapshot.others = others - (oneApart && others > 0 ? 1 : 0);
    const unsigned missing = instancesToStart(snapshot);
    return missing == 0 || holdsGrowth() || !mayTry(now) ? 0 : parts_.spawns.limit(missing);
}

/** It was closed when the application did not start, and no child has asked since. */
void Scaler::ensureQueue() {
    if (!parts_.queue.current()) {
        parts_.queue.makeCurrent(parts_.context.makeQueue(parts_.options));
    }
}

/** Takes over what an earlier pool process has left, all at once. Nothing is loaded for that, and
 *  an instance that hangs delays no other one. */
void Scaler::adopt(MonotonicTime now) {
    Orphans &orphans = parts_.context.orphans;
    if (orphans.waiting(parts_.app) == 0 || !parts_.queue.current() || parts_.succession.standsBy() ||
        parts_.versions.deployment()) {
        return;
    }
    while (orphans.waiting(parts_.app) > 0 && !atLimit() && parts_.room.admit(*this, now)) {
        const std::string orphan = orphans.reserve(parts_.app);
        if (orphan.empty()) {
            break;
        }
        if (!parts_.starter.startAdoption(orphan)) {
            orphans.release(orphan);
            break;
        }
    }
    parts_.room.satisfied(*this);
}

void Scaler::grow(MonotonicTime now) {
    unsigned missing = this->missing(now);
    try {
        while (missing > 0) {
            const bool restores = parts_.demand.restores(parts_.instances.serving() + parts_.spawns.starting());
            const auto verdict = parts_.room.admitNew(
                *this, restores ? MemoryAdmission::Start::RESTORE : MemoryAdmission::Start::GROW, now);
            if (verdict == Verdict::NEVER) {
                parts_.room.satisfied(*this);
                parts_.starter.refuse(parts_.room.memory().refusalOf(*this));
                return;
            }
            if (verdict != Verdict::START) {
                break;
            }
            ensureQueue();
            if (deployAgain(now) && (parts_.versions.deployment() || parts_.versions.failure())) {
                missing = parts_.versions.deployment() ? 0 : missing;
                break;
            }
            if (!parts_.starter.start(SpawnTask::Purpose::GROW)) {
                break;
            }
            missing--;
        }
    } catch (const std::exception &error) {
        // No descriptors for a queue; the next date tries again.
        Log::error("event=spawn.not_started app=\"{}\" error=\"{}\"", parts_.app, error.what());
    }
    if (missing == 0) {
        parts_.room.satisfied(*this);
        if (!parts_.demand.exceedsCapacity()) {
            // plan() looks once more: a child may just have found that it is wanted already.
            parts_.queue.senders().clearWanted();
        }
    }
}

/** Only in room that no other application wants. */
void Scaler::startSpares(MonotonicTime now) {
    if (parts_.succession.standsBy() || parts_.versions.deployment() || !mayTry(now)) {
        return;
    }
    const unsigned atOnce = std::max(parts_.context.cpu.cores(), 2U);
    unsigned missing = parts_.spawns.limit(spares_.missing(now));
    for (; missing > 0; missing--) {
        if (parts_.spawns.starting() >= atOnce || atLimit() || !parts_.room.isFreeForSpares(*this, now) ||
            deployAgain(now) || !parts_.starter.start(SpawnTask::Purpose::GROW)) {
            return;
        }
    }
}

/** Sets the date at which the application is looked at again. */
void Scaler::plan(MonotonicTime now) {
    std::optional<MonotonicTime> date;
    const auto at = [&](std::optional<MonotonicTime> time) { date = earlier(date, time); };
    const bool requestsWait = parts_.demand.requestsWait();
    const bool unasked = (parts_.demand.isBelowMinimum() || parts_.instances.anyDueForReplacement()) &&
                         (parts_.spawns.mayTryUnasked() || asked());
    const bool somethingToDo = requestsWait || unasked || parts_.versions.deployment();
    if (somethingToDo && !parts_.spawns.mayTry(now)) {
        at(parts_.spawns.notBefore());
    } else if (requestsWait && !holdsGrowth()) {
        at(now + (parts_.room.hasWish(*this) ? ROOM_LOOK : parts_.demand.lookInterval()));
    } else if (requestsWait) {
        at(now + SPARE_ROOM_LOOK);
    } else if (parts_.room.hasWish(*this)) {
        at(now + std::min(SPARE_ROOM_LOOK * parts_.room.sharers(*this), LONGEST_ROOM_LOOK));
    }
    if (!parts_.instances.empty() || parts_.queue.current()) {
        at(parts_.demand.nextIdleCheck(now));
    }
    at(parts_.room.memory().nextCheck(*this));
    if (parts_.queue.abandoned().count() > 0) {
        at(now + ABANDONED_LOOK);
    }
    at(parts_.demand.pausedUntil());
    at(spares_.nextCheck(now));
    at(parts_.preloader.restDate());
    at(parts_.hangs.next());
    setDate_(date);
}

// ----- Fewer instances

void Scaler::endUnneeded(MonotonicTime now) {
    endIdle(spares_.surplus(now), First::OLDEST, "instance.spare",
            " reason=\"more than PassengerMaxSpareInstances are free\"");
    if (const std::optional<unsigned> surplus = parts_.demand.idleSurplus(now)) {
        parts_.hangs.killUnfinished(now);
        // The youngest have the least of what an application warms up.
        endIdle(spares_.withoutSpares(*surplus, now), First::YOUNGEST, "instance.idle", "");
        closeQueueIfUnused();
    }
}

/** Ends so many idle instances, but not the last one after a failed deployment. */
void Scaler::endIdle(unsigned surplus, First first, const char *event, const char *reason) {
    if (parts_.versions.failure()) {
        surplus = std::min(surplus, std::max(parts_.instances.serving(), 1U) - 1);
    }
    if (surplus == 0) {
        return;
    }
    std::vector<ProcessPtr> idle = parts_.instances.idle();
    if (first == First::YOUNGEST) {
        std::reverse(idle.begin(), idle.end());
    }
    idle.resize(std::min<std::size_t>(surplus, idle.size()));
    for (const ProcessPtr &process : idle) {
        Log::info("event={} app=\"{}\" pid={}{}", event, parts_.app, process->pid(), reason);
        parts_.counters.idled++;
        parts_.demand.forgetRestore();
        parts_.instances.retire(process);
    }
}

void Scaler::evict() {
    const ProcessPtr process = parts_.instances.leastNeeded();
    Log::info("event=instance.evicted app=\"{}\" pid={}", parts_.app, process->pid());
    end(process);
}

void Scaler::giveUp(const ProcessPtr &process, const std::string &why, bool restored) {
    Log::notice("event=instance.over_budget app=\"{}\" pid={} mb={} reason=\"{}\"", parts_.app, process->pid(),
                process->memory() / MEGABYTE, why);
    if (!restored) {
        end(process);
        return;
    }
    parts_.counters.replaced++;
    parts_.demand.restore();
    parts_.instances.retire(process);
    plan(parts_.context.clock.now());
}

void Scaler::replace(Process &process, const std::string &why) {
    if (!process.stays() || process.lifecycle().isDue()) {
        return;
    }
    process.lifecycle().fallDue(why);
    Log::info("event=instance.worn app=\"{}\" pid={} reason=\"{}\"", parts_.app, process.pid(), why);
    rescale();
}

/** Others need what the instance has. */
void Scaler::end(const ProcessPtr &process) {
    parts_.counters.evicted++;
    parts_.demand.forgetRestore();
    if (parts_.instances.serving() <= parts_.demand.minInstances()) {
        parts_.demand.clear();
    }
    parts_.instances.retire(process);
    closeQueueIfUnused();
    const MonotonicTime now = parts_.context.clock.now();
    parts_.demand.evicted(now);
    plan(now);
}

void Scaler::closeQueue() {
    if (!parts_.queue.current()) {
        return;
    }
    parts_.queue.close();
    parts_.demand.queueClosed();
    parts_.instances.retireAll();
}

void Scaler::closeQueueIfUnused() {
    if (parts_.spawns.none() && !parts_.versions.deployment() && !parts_.instances.anyStays() &&
        parts_.queue.inFlight() == 0 && !parts_.demand.expectsRequest()) {
        closeQueue();
    }
}

}  // namespace Passenger
