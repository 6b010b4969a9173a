#include "pool/Demand.h"

#include <algorithm>
#include <vector>

namespace Passenger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/** The interval at which the queue is looked at while requests wait. */
constexpr milliseconds SHORTEST_LOOK{5};
constexpr milliseconds LONGEST_LOOK{50};
/** A free thread takes a request within this time. */
constexpr milliseconds TAKING_TIME{50};
/** At the requests, while instances claim some. */
constexpr int MOST_LOOKS = 3;
/** A child that has asked for the queue sends its request within this time. */
constexpr milliseconds SENDING_TIME{1000};
/** Refusals with a longer time between them are unrelated. */
constexpr milliseconds REFUSAL_PAUSE{1000};
/** The interval at which instances are looked for that are not needed. */
constexpr milliseconds SHORTEST_IDLE_CHECK{100};
constexpr milliseconds LONGEST_IDLE_CHECK{10000};
constexpr int IDLE_CHECKS = 8;
/** Applications are looked at in the same moments, so that many wake the agent as seldom as few. */
constexpr milliseconds IDLE_CHECK_GRID{1000};

}  // namespace

// ----- Events

void Demand::requested(MonotonicTime now) {
    used_ = true;
    expectedSince_ = instances_.serving() == 0 ? std::optional(now) : std::nullopt;
}

void Demand::joined(MonotonicTime now, bool wanted, bool grown) {
    lastJoin_ = now;
    if (!wanted) {
        return;
    }
    expectedSince_.reset();
    if (grown) {
        idle_.restart(now);
    }
    readStatistics(now);
    // They do not tell whether the instances suffice now.
    refusals_.reset();
}

void Demand::adjustRestore() {
    const unsigned serving = instances_.serving();
    if (serving == 1) {
        // Only few may be started at once: the others follow.
        restoreTo_ = std::max(restoreTo_, options_.startInstances);
    }
    if (serving >= restoreTo_) {
        restoreTo_ = 0;
    }
}

void Demand::restore() {
    restoreTo_ = std::max(restoreTo_, instances_.serving());
}

void Demand::evicted(MonotonicTime now) {
    if (queue_.current() && instances_.serving() == 0 && !waitingSince_) {
        // A request may be in flight that no instance has taken.
        waitingSince_ = now;
    }
}

void Demand::queueClosed() noexcept {
    waitingSince_.reset();
    expectedSince_.reset();
}

void Demand::clear() {
    // Requests that were answered before are no claim.
    queue_.takePeak();
    used_ = false;
    restoreTo_ = 0;
}

// ----- More instances

/** The in-flight tables are read only when more is in flight than can run at once. Requests that
 *  free threads are about to take do not count as waiting. */
ScalingSnapshot Demand::look(MonotonicTime now) {
    ScalingSnapshot snapshot;
    snapshot.serving = instances_.serving();
    snapshot.threads = threads();
    snapshot.oneByOne = !foundAsgi_ && options_.runsPython() && !options_.isAsync();
    snapshot.minInstances = minInstances();
    snapshot.startInstances = options_.startInstances;
    snapshot.restoreTo = restoreTo_;
    snapshot.maxInstances = maxInstances();
    snapshot.used = used_;
    waitingSince_.reset();
    if (pausedUntil()) {
        return snapshot;
    }
    const bool more = exceedsCapacity();
    if (snapshot.serving > 0 && (more || options_.queueTarget > std::chrono::milliseconds(0))) {
        readStatistics(now);
    }
    if (queue_.current() && (snapshot.serving == 0 || more)) {
        const std::vector<MonotonicTime> waiting = requestsWithoutThread(now);
        snapshot.waiting = static_cast<unsigned>(waiting.size());
        if (!waiting.empty()) {
            waitingSince_ = waiting.front();
            snapshot.headAge = now - waiting.front();
        }
    }
    if (expectedSince_ && (snapshot.waiting > 0 || now - *expectedSince_ > SENDING_TIME)) {
        expectedSince_.reset();
    }
    if (queue_.current() && snapshot.serving == 0 && expectedSince_) {
        snapshot.waiting = 1;
        waitingSince_ = now;
    }
    snapshot.serviceTime = recent_.typical();
    addRefused(snapshot, now);
    return snapshot;
}

/** Requests that are refused for PassengerQueueTarget count as if they waited since the first of
 *  them. As many would be in work at once as come during an answer. */
void Demand::addRefused(ScalingSnapshot &snapshot, MonotonicTime now) {
    if (refusals_ && now - refusals_->last > REFUSAL_PAUSE) {
        refusals_.reset();
    }
    if (!refusals_ || snapshot.serving == 0) {
        return;
    }
    const nanoseconds time = now - refusals_->since;
    const double part = static_cast<double>(snapshot.serviceTime.count()) /
                        static_cast<double>(std::max({time, snapshot.serviceTime, nanoseconds(1)}).count());
    const auto atOnce = static_cast<unsigned>(
        std::min(static_cast<double>(refusals_->count) * part, static_cast<double>(ClaimsLayout::CELLS)));
    snapshot.waiting = std::max({snapshot.waiting, atOnce, 1U});
    snapshot.headAge = std::max(snapshot.headAge, time);
}

void Demand::noteRefused(const GroupStatistics &fresh, MonotonicTime now) {
    const std::uint64_t refused = fresh.refused + fresh.overShare;
    const std::uint64_t before = read_.refused + read_.overShare;
    if (options_.queueTarget == std::chrono::milliseconds(0) || refused <= before) {
        return;
    }
    if (!refusals_ || now - refusals_->last > REFUSAL_PAUSE) {
        refusals_ = Refusals{now, now, 0};
    }
    refusals_->last = now;
    refusals_->count += refused - before;
}

/**
 * The times since which requests wait that no free thread is about to take. An instance may claim a
 * request between the looks at requests and threads. The request would count as one that waits, and
 * the application would start an instance too many.
 */
std::vector<MonotonicTime> Demand::requestsWithoutThread(MonotonicTime now) {
    std::vector<MonotonicTime> waiting;
    unsigned before = 0;
    unsigned free = instances_.freeThreads();
    int looks = 0;
    do {
        before = free;
        waiting = queue_.waiting();
        free = instances_.freeThreads();
        looks++;
    } while (free != before && looks < MOST_LOOKS);
    if (!waiting.empty() && now - std::max(waiting.front(), lastJoin_) < TAKING_TIME) {
        // The next look finds what this one has missed.
        const auto taken = std::min<std::size_t>(std::max(before, free), waiting.size());
        waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(taken));
    }
    return waiting;
}

void Demand::readStatistics(MonotonicTime now) {
    const GroupStatistics fresh = queue_.statistics();
    if (fresh.completed != read_.completed) {
        lastProgress_ = now;
    }
    noteRefused(fresh, now);
    recent_.merge(fresh.serviceTime.since(read_.serviceTime));
    read_ = fresh;
}

bool Demand::requestsWait() const {
    return !pausedUntil() && (queue_.senders().wanted() || waitingSince_ || exceedsCapacity());
}

nanoseconds Demand::lookInterval() const {
    return std::clamp<nanoseconds>(recent_.typical(), SHORTEST_LOOK, LONGEST_LOOK);
}

unsigned Demand::minInstances() const {
    const bool takesAll = foundAsgi_.value_or(false) || options_.takesAll();
    const unsigned kept = takesAll ? std::max(options_.minInstances, options_.startInstances) : options_.minInstances;
    const unsigned limit = maxInstances();
    return limit > 0 ? std::min(kept, limit) : kept;
}

unsigned Demand::maxInstances() const {
    const unsigned perApp = settings_.maxInstancesPerApp;
    if (options_.maxInstances == 0 || perApp == 0) {
        return std::max(options_.maxInstances, perApp);
    }
    return std::min(options_.maxInstances, perApp);
}

// ----- Fewer instances

std::optional<unsigned> Demand::idleSurplus(MonotonicTime now) {
    if (now < nextIdleCheck_) {
        return std::nullopt;
    }
    nextIdleCheck_ = idleCheckAfter(now);
    notePeak(now);
    readStatistics(now);
    return idle_.surplus(now, settings_.idleTime, instances_.serving(), minInstances(), threads());
}

MonotonicTime Demand::nextIdleCheck(MonotonicTime now) {
    nextIdleCheck_ = std::clamp(nextIdleCheck_, now, idleCheckAfter(now));
    return nextIdleCheck_;
}

/** The last moment of the grid within the interval. */
MonotonicTime Demand::idleCheckAfter(MonotonicTime now) const {
    const nanoseconds interval = idleInterval();
    const nanoseconds grid = std::min<nanoseconds>(interval, IDLE_CHECK_GRID);
    const nanoseconds latest = (now + interval).time_since_epoch();
    return MonotonicTime(latest - latest % grid);
}

/** Without an idle time no instance ends for being idle, but the checks have other uses. */
nanoseconds Demand::idleInterval() const {
    return settings_.idleTime == nanoseconds(0)
               ? LONGEST_IDLE_CHECK
               : std::clamp<nanoseconds>(settings_.idleTime / IDLE_CHECKS, SHORTEST_IDLE_CHECK, LONGEST_IDLE_CHECK);
}

unsigned Demand::notePeak(MonotonicTime now) {
    const unsigned peak = queue_.takePeak() + queue_.abandoned().count();
    if (peak > 0) {
        lastBusy_ = now;
        used_ = true;
    }
    idle_.note(now, peak, settings_.idleTime);
    return peak;
}

unsigned Demand::atWork() const {
    const unsigned each = std::max(threads(), 1U);
    const unsigned requests = queue_.inFlight() + queue_.abandoned().count();
    return std::max(instances_.busy(), (requests + each - 1) / each);
}

bool Demand::inUse(MonotonicTime now) const {
    const bool mayGoDown = minInstances() == 0 && settings_.idleTime > nanoseconds(0);
    return used_ && (!mayGoDown || now - lastBusy_ < settings_.idleTime);
}

// ----- Room

RoomRequest Demand::roomRequest() const {
    return RoomRequest{instances_.serving(), minInstances(), waitingSince_};
}

std::optional<RoomCandidate> Demand::roomCandidate() const {
    const ProcessPtr process = instances_.leastNeeded();
    if (!process) {
        return std::nullopt;
    }
    RoomCandidate candidate;
    candidate.serving = instances_.serving();
    candidate.minInstances = minInstances();
    // Free threads are about to take the requests that wait. The instance may go if those of the
    // other instances suffice.
    // Looked at first: a request that is claimed meanwhile keeps the instance.
    const unsigned untaken = queue_.untaken();
    candidate.idle =
        !instances_.isBusy(*process) && instances_.freeThreads() >= process->socket().concurrency + untaken;
    candidate.oldestWaiter = waitingSince_;
    // No instance tells that it is idle; the last request stands for all of them.
    candidate.lastNeeded = std::max(lastBusy_, process->since());
    candidate.servingSince = process->since();
    return candidate;
}

}  // namespace Passenger
