// The part of Group about instances that are kept without a request (PassengerMinSpareInstances, PassengerMaxSpareInstances).

#include <algorithm>
#include <limits>
#include <vector>

#include "log/Log.h"
#include "policy/SparePolicy.h"
#include "pool/Group.h"
#include "pool/Pool.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** How often it is looked at who is free: requests wake nobody. Less often once nothing was asked for a while. */
constexpr milliseconds BUSY_LOOK{250};
constexpr milliseconds QUIET_LOOK{1000};
constexpr std::chrono::seconds QUIET_AFTER{10};
/** Who was needed within that time is not too many: instances shall not come and go with each request. */
constexpr milliseconds MOMENT{1000};

SpareLimits limitsOf(const Options &options) {
    SpareLimits limits;
    limits.start = 0;
    limits.minSpare = options.minSpareInstances;
    limits.maxSpare = options.maxSpareInstances > 0 ? options.maxSpareInstances : std::numeric_limits<unsigned>::max();
    // That is asked for each instance.
    limits.maxClients = std::numeric_limits<unsigned>::max();
    return limits;
}

}  // namespace

bool Group::keepsSpares() const {
    return options_.minSpareInstances > 0 || options_.maxSpareInstances > 0;
}

/** An application that nobody has asked for is given no instances in advance, nor is one that may go down and was not asked for lately. */
bool Group::inUse(MonotonicTime now) const {
    const auto idleTime = context_.settings.idleTime;
    return used_ &&
           (options_.minInstances > 0 || idleTime == std::chrono::nanoseconds(0) || now - lastBusy_ < idleTime);
}

/** How many instances the requests need that are there now, waiting ones included. */
unsigned Group::atWork() const {
    const unsigned threads = std::max(options_.threads, 1U);
    return std::max(instances_.busy(), (inFlight() + threads - 1) / threads);
}

/** Only in room that nobody else wants. */
void Group::startSpares(MonotonicTime now) {
    const unsigned serve = instances_.serving();
    if (!keepsSpares() || serve == 0 || standby_ || deployment_ || !backoff_.mayTry(now) || !inUse(now)) {
        return;
    }
    const unsigned need = atWork();
    const unsigned busy = std::min(need, serve);
    // What waits will take the first of those that come.
    const unsigned coming = starting_ - replacements_;
    const unsigned spoken = std::min(need - busy, coming);
    unsigned missing = decideSpares(limitsOf(options_), {serve - busy, busy, coming - spoken}).start;
    if (backoff_.failing()) {
        missing = std::min(missing, starting_ == 0 ? 1U : 0U);
    }
    const unsigned atOnce = std::max(context_.cpu.cores(), 2U);
    while (missing > 0 && starting_ < atOnce && !atLimit() && pool_.hasRoomToSpare() && startSpawn(growTask())) {
        missing--;
    }
}

/** Its date on the deadlines, as long as there are instances. */
void Group::lookAtSpares(MonotonicTime now) {
    if (!keepsSpares() || now < nextSpareLook_) {
        return;
    }
    const unsigned threads = std::max(options_.threads, 1U);
    const unsigned atOnce = (notePeak(now) + threads - 1) / threads;
    lately_.note(now, std::min(std::max(atWork(), atOnce), instances_.serving()), MOMENT);
    nextSpareLook_ = now + (now - lastBusy_ < QUIET_AFTER ? BUSY_LOOK : QUIET_LOOK);
    endSpares(now);
}

/** The oldest go first. */
void Group::endSpares(MonotonicTime now) {
    const std::optional<unsigned> busy = lately_.peak(now, MOMENT);
    const unsigned serve = instances_.serving();
    if (!busy || serve <= options_.minInstances) {
        return;
    }
    const unsigned free = serve - std::min(*busy, serve);
    unsigned surplus = decideSpares(limitsOf(options_), {free, serve - free, 0}).stop;
    surplus = std::min(surplus, serve - options_.minInstances);
    const std::vector<ProcessPtr> idle = instances_.idle();
    for (std::size_t i = 0; i < std::min<std::size_t>(surplus, idle.size()); i++) {
        Log::info("event=instance.spare app=\"{}\" pid={} reason=\"more than PassengerMaxSpareInstances are free\"",
                  name_, idle[i]->pid());
        counters_.idled++;
        restoreTo_ = 0;
        retire(idle[i]);
    }
}

/** @param surplus instances that were not needed for the idle time. @return those of them that may go for that */
unsigned Group::withoutSpares(unsigned surplus, MonotonicTime now) const {
    if (surplus == 0 || !keepsSpares() || !inUse(now)) {
        return surplus;
    }
    if (options_.maxSpareInstances > 0) {
        return 0;
    }
    const unsigned kept = atWork() + options_.minSpareInstances;
    return std::min(surplus, instances_.serving() - std::min(kept, instances_.serving()));
}

}  // namespace Passenger
