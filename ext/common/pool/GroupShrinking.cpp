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
    endSlowDrains(now);
    unsigned surplus = withoutSpares(
        idle_.surplus(now, context_.settings.idleTime, serving(), options_.minInstances, options_.threads), now);
    // The youngest go first: they have the least of what an application warms up.
    const std::vector<ProcessPtr> candidates(processes_.rbegin(), processes_.rend());
    for (const ProcessPtr &process : candidates) {
        if (surplus == 0) {
            break;
        }
        if (process->state == Process::State::SERVING && !busy(*process)) {
            Log::info("event=instance.idle app=\"{}\" pid={}", name_, process->pid());
            counters_.idled++;
            restoreTo_ = 0;
            retire(process);
            surplus--;
        }
    }
    closeQueueIfUnused();
}

RoomRequest Group::roomRequest() const {
    RoomRequest request;
    request.serving = serving();
    request.minInstances = options_.minInstances;
    request.oldestWaiter = waitingSince_;
    return request;
}

/** The instance that would go: the oldest of the idle ones, or else the one that has served longest. */
ProcessPtr Group::leastNeeded() const {
    ProcessPtr least;
    bool leastBusy = true;
    for (const ProcessPtr &process : processes_) {
        if (process->state != Process::State::SERVING) {
            continue;
        }
        const bool isBusy = busy(*process);
        const bool before =
            !least || (leastBusy && !isBusy) || (leastBusy == isBusy && !isBusy && process->since() < least->since());
        if (before) {
            least = process;
            leastBusy = isBusy;
        }
    }
    return least;
}

std::optional<RoomCandidate> Group::roomCandidate() const {
    const ProcessPtr process = leastNeeded();
    if (!process) {
        return std::nullopt;
    }
    RoomCandidate candidate;
    candidate.serving = serving();
    candidate.minInstances = options_.minInstances;
    // While a request waits, a free instance is about to take it.
    candidate.idle = !busy(*process) && inFlight() <= active();
    candidate.oldestWaiter = roomRequest().oldestWaiter;
    // An instance says nothing when it is done; the Group's last request stands for all of them.
    candidate.lastNeeded = std::max(lastBusy_, process->since());
    candidate.servingSince = process->since();
    return candidate;
}

void Group::evict() {
    const ProcessPtr process = leastNeeded();
    Log::info("event=instance.evicted app=\"{}\" pid={}", name_, process->pid());
    counters_.evicted++;
    restoreTo_ = 0;
    if (serving() <= options_.minInstances) {
        // Until its next request, it has no claim to its minimum.
        used_ = false;
    }
    retire(process);
    closeQueueIfUnused();
    const MonotonicTime now = context_.clock.now();
    if (queue_.current() && serving() == 0 && !waitingSince_) {
        // Something is in flight that no instance has taken, perhaps.
        waitingSince_ = now;
    }
    plan(now);
}

}  // namespace Passenger
