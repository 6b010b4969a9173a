// The part of Group about instances that it can do without, by itself or for others.

#include <algorithm>

#include "log/Log.h"
#include "pool/Group.h"
#include "pool/Pool.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/** How often it is looked at whether instances are needed. */
constexpr milliseconds SHORTEST_IDLE_LOOK{100};
constexpr milliseconds LONGEST_IDLE_LOOK{10000};
constexpr int IDLE_LOOKS = 8;

}  // namespace

nanoseconds Group::idleInterval() const {
    const nanoseconds idleTime = context_.settings.idleTime;
    // With no idle time nothing ends for being idle, but other things are looked at on the way.
    return idleTime == nanoseconds(0)
               ? LONGEST_IDLE_LOOK
               : std::clamp<nanoseconds>(idleTime / IDLE_LOOKS, SHORTEST_IDLE_LOOK, LONGEST_IDLE_LOOK);
}

/** The most requests in flight at once since the last call. */
unsigned Group::notePeak(MonotonicTime now) {
    const unsigned peak = queue_.takePeak();
    if (peak > 0) {
        lastBusy_ = now;
        used_ = true;
    }
    idle_.note(now, peak, context_.settings.idleTime);
    return peak;
}

/** Ends instances that were not needed for the idle time. */
void Group::collectIdle(MonotonicTime now) {
    notePeak(now);
    readStatistics(now);
    hangs_.killSlowDrains(now);
    unsigned surplus = withoutSpares(
        idle_.surplus(now, context_.settings.idleTime, instances_.serving(), options_.minInstances, options_.threads),
        now);
    std::vector<ProcessPtr> idle = instances_.idle();
    // The youngest go first: they have the least of what an application warms up.
    for (; surplus > 0 && !idle.empty(); surplus--, idle.pop_back()) {
        Log::info("event=instance.idle app=\"{}\" pid={}", name_, idle.back()->pid());
        counters_.idled++;
        restoreTo_ = 0;
        retire(idle.back());
    }
    closeQueueIfUnused();
}

RoomRequest Group::roomRequest() const {
    RoomRequest request;
    request.serving = instances_.serving();
    request.minInstances = options_.minInstances;
    request.oldestWaiter = waitingSince_;
    return request;
}

std::optional<RoomCandidate> Group::roomCandidate() const {
    const ProcessPtr process = instances_.leastNeeded();
    if (!process) {
        return std::nullopt;
    }
    RoomCandidate candidate;
    candidate.serving = instances_.serving();
    candidate.minInstances = options_.minInstances;
    // While a request waits, a free instance is about to take it.
    candidate.idle = !instances_.isBusy(*process) && inFlight() <= queue_.claims().taken();
    candidate.oldestWaiter = roomRequest().oldestWaiter;
    // An instance says nothing when it is done; the Group's last request stands for all of them.
    candidate.lastNeeded = std::max(lastBusy_, process->since());
    candidate.servingSince = process->since();
    return candidate;
}

void Group::evict() {
    const ProcessPtr process = instances_.leastNeeded();
    Log::info("event=instance.evicted app=\"{}\" pid={}", name_, process->pid());
    counters_.evicted++;
    restoreTo_ = 0;
    if (instances_.serving() <= options_.minInstances) {
        // Until its next request, it has no claim to its minimum.
        used_ = false;
    }
    retire(process);
    closeQueueIfUnused();
    const MonotonicTime now = context_.clock.now();
    if (queue_.current() && instances_.serving() == 0 && !waitingSince_) {
        // Something is in flight that no instance has taken, perhaps.
        waitingSince_ = now;
    }
    plan(now);
}

}  // namespace Passenger
