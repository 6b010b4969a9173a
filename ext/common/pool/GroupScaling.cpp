// The part of Group about how many instances there are.

#include <algorithm>

#include "log/Log.h"
#include "pool/Group.h"
#include "pool/Pool.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/** How often a line is looked at in which requests wait. */
constexpr milliseconds SHORTEST_LOOK{5};
constexpr milliseconds LONGEST_LOOK{50};
/** How often a full pool is looked at for room: an instance tells nobody when it has become idle. */
constexpr milliseconds ROOM_LOOK{100};
/** How often it is looked at whether there is room for instances in reserve. */
constexpr milliseconds RESERVE_LOOK{1000};
/** A free thread takes a request within this time. */
constexpr milliseconds TAKING_TIME{50};
/** A child that has asked for the queue sends its request within this time. */
constexpr milliseconds SENDING_TIME{1000};

}  // namespace

// ----- Numbers

unsigned Group::size() const {
    return instances_.living() + starting_ + (standby_ ? 1 : 0);
}

unsigned Group::inFlight() const {
    return queue_.inFlight();
}

/** 0: none but the pool's. */
unsigned Group::maxInstances() const {
    const unsigned perApp = context_.settings.maxInstancesPerApp;
    if (options_.maxInstances == 0 || perApp == 0) {
        return std::max(options_.maxInstances, perApp);
    }
    return std::min(options_.maxInstances, perApp);
}

bool Group::atLimit() const {
    const unsigned limit = maxInstances();
    return limit > 0 && size() >= limit;
}

bool Group::replacing() const {
    return standby_ || instances_.find(beingReplaced_) ||
           (deployment_ && deployment_->started && instances_.living() > 0) || instances_.anyReplaced();
}

// ----- Growing

ScalingSnapshot Group::scaling(MonotonicTime now) {
    ScalingSnapshot snapshot;
    snapshot.serving = instances_.serving();
    snapshot.starting = starting_;
    snapshot.threads = options_.threads;
    lookAtQueue(snapshot, now);
    snapshot.serviceTime = recent_.typical();
    if (snapshot.waiting > 0) {
        snapshot.idleCores = context_.cpu.idleCores();
    }
    snapshot.cores = context_.cpu.cores();
    snapshot.minInstances = options_.minInstances;
    snapshot.startInstances = options_.startInstances;
    snapshot.restoreTo = restoreTo_;
    snapshot.maxInstances = maxInstances();
    const unsigned others = size() - snapshot.serving - starting_;
    const bool oneApart = replacing() && snapshot.maxInstances > 1;
    snapshot.others = others - (oneApart && others > 0 ? 1 : 0);
    snapshot.used = used_;
    return snapshot;
}

/**
 * The in-flight tables are read only when more is in flight than can run at once. Requests that
 * free threads are about to take do not count as waiting.
 */
void Group::lookAtQueue(ScalingSnapshot &snapshot, MonotonicTime now) {
    waitingSince_.reset();
    const bool more = inFlight() > instances_.capacity();
    if (snapshot.serving > 0 && more) {
        readStatistics(now);
    }
    if (queue_.current() && (snapshot.serving == 0 || more)) {
        std::vector<MonotonicTime> waiting = queue_.waiting();
        if (!waiting.empty() && now - std::max(waiting.front(), lastJoin_) < TAKING_TIME) {
            const auto taken = std::min<std::size_t>(instances_.freeThreads(), waiting.size());
            waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(taken));
        }
        snapshot.waiting = static_cast<unsigned>(waiting.size());
        if (!waiting.empty()) {
            waitingSince_ = waiting.front();
            snapshot.headAge = now - waiting.front();
        }
    }
    if (expecting_ && (snapshot.waiting > 0 || now - *expecting_ > SENDING_TIME)) {
        expecting_.reset();
    }
    if (queue_.current() && snapshot.serving == 0 && expecting_) {
        snapshot.waiting = 1;
        waitingSince_ = now;
    }
}

/** The senders know how long answers took. */
void Group::readStatistics(MonotonicTime now) {
    const GroupStatistics fresh = queue_.statistics();
    if (fresh.completed != read_.completed) {
        lastProgress_ = now;
    }
    recent_.merge(fresh.serviceTime.since(read_.serviceTime));
    read_ = fresh;
}

void Group::rescale() {
    if (shutDown_ || context_.shuttingDown) {
        return;
    }
    const MonotonicTime now = context_.clock.now();
    pool_.withdrawReplacement(*this);
    if (deployment_ && !deployment_->started) {
        deploy();
    }
    replaceOne(now);
    grow(now);
    startSpares(now);
    restIfDue(now);
    plan(now);
}

void Group::grow(MonotonicTime now) {
    // While a new version is on its way, one more of the old would be in vain; and with some spawners it would be of the new.
    const bool hold = standby_ || deployment_ || !backoff_.mayTry(now);
    const ScalingSnapshot snapshot = scaling(now);
    unsigned missing = hold ? 0 : instancesToStart(snapshot);
    if (backoff_.failing()) {
        missing = std::min(missing, starting_ == 0 ? 1U : 0U);
    }
    try {
        while (missing > 0 && pool_.admit(*this, now)) {
            if (!queue_.current()) {
                // It was closed since the application did not start, and nobody has come for it since.
                newQueue();
            }
            if (!startSpawn(growTask())) {
                break;
            }
            missing--;
        }
    } catch (const std::exception &error) {
        // No descriptors for a line; it is tried again.
        Log::error("event=spawn.not_started app=\"{}\" error=\"{}\"", name_, error.what());
    }
    if (missing == 0) {
        pool_.satisfied(*this);
        if (inFlight() <= instances_.capacity()) {
            // plan() looks once more: a child may just have found that it is wanted already.
            queue_.senders().clearWanted();
        }
    }
}

/** Sets the date at which the Group is looked at again. */
void Group::plan(MonotonicTime now) {
    std::optional<MonotonicTime> date;
    const auto at = [&](MonotonicTime time) { date = date ? std::min(*date, time) : time; };
    const bool requestsWait = queue_.senders().wanted() || waitingSince_ || inFlight() > instances_.capacity();
    const bool somethingToDo = requestsWait || restoreTo_ > instances_.serving() || deployment_ ||
                               (used_ && instances_.serving() < options_.minInstances) ||
                               instances_.anyDueForReplacement();
    if (somethingToDo && !backoff_.mayTry(now)) {
        at(backoff_.notBefore());
    } else if (requestsWait && !standby_ && !deployment_) {
        const nanoseconds typical = std::clamp<nanoseconds>(recent_.typical(), SHORTEST_LOOK, LONGEST_LOOK);
        at(now + (pool_.wantsRoom(*this) ? ROOM_LOOK : typical));
    } else if (requestsWait || pool_.wantsRoom(*this)) {
        at(now + RESERVE_LOOK);
    }
    if (!instances_.empty() || queue_.current()) {
        nextIdleLook_ = std::clamp(nextIdleLook_, now, now + idleInterval());
        at(nextIdleLook_);
    }
    if (keepsSpares() && !instances_.empty()) {
        at(std::max(nextSpareLook_, now));
    }
    if (isMeasured() && pool_.nextMemoryCheck()) {
        at(*pool_.nextMemoryCheck());
    }
    if (const std::optional<MonotonicTime> rest = restDate()) {
        at(*rest);
    }
    if (const std::optional<MonotonicTime> hang = hangs_.next()) {
        at(*hang);
    }
    pool_.setDate(*this, date);
}

void Group::attend(MonotonicTime now) {
    activateStandby();
    for (const ProcessPtr &process : hangs_.overdue(now)) {
        endHung(process, options_.maxRequestTime);
    }
    hangs_.killHung(now);
    lookAtSpares(now);
    if (now >= nextIdleLook_) {
        collectIdle(now);
        nextIdleLook_ = now + idleInterval();
    }
    rescale();
}

}  // namespace Passenger
