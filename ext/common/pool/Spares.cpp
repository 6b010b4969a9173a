#include "pool/Spares.h"

#include <algorithm>
#include <limits>

#include "policy/SparePolicy.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** The interval of the checks, since no request tells that it ends; longer without requests. */
constexpr milliseconds BUSY_INTERVAL{250};
constexpr milliseconds QUIET_INTERVAL{1000};
constexpr std::chrono::seconds QUIET_AFTER{10};
/** An instance that was needed within this time does not end, so that instances do not come and go
 *  with each request. */
constexpr milliseconds PEAK_WINDOW{1000};

SpareLimits limitsOf(const Options &options) {
    SpareLimits limits;
    limits.start = 0;
    limits.minSpare = options.minSpareInstances;
    limits.maxSpare = options.maxSpareInstances > 0 ? options.maxSpareInstances : std::numeric_limits<unsigned>::max();
    // The limits of all instances are checked at each start.
    limits.maxClients = std::numeric_limits<unsigned>::max();
    return limits;
}

}  // namespace

unsigned Spares::missing(MonotonicTime now) const {
    const unsigned serving = instances_.serving();
    if (!wanted() || serving == 0 || !demand_.inUse(now)) {
        return 0;
    }
    const unsigned need = demand_.atWork();
    const unsigned busy = std::min(need, serving);
    // Waiting requests take the first of those that come.
    const unsigned coming = spawns_.growing();
    const unsigned taken = std::min(need - busy, coming);
    return decideSpares(limitsOf(options_), {serving - busy, busy, coming - taken}).start;
}

unsigned Spares::surplus(MonotonicTime now) {
    if (!wanted() || now < nextCheck_) {
        return 0;
    }
    const unsigned serving = instances_.serving();
    const unsigned threads = std::max(demand_.threads(), 1U);
    const unsigned atOnce = (demand_.notePeak(now) + threads - 1) / threads;
    recent_.note(now, std::min(std::max(demand_.atWork(), atOnce), serving), PEAK_WINDOW);
    nextCheck_ = now + (now - demand_.lastBusy() < QUIET_AFTER ? BUSY_INTERVAL : QUIET_INTERVAL);
    const std::optional<unsigned> busy = recent_.peak(now, PEAK_WINDOW);
    const unsigned kept = demand_.minInstances();
    if (!busy || serving <= kept) {
        return 0;
    }
    const unsigned free = serving - std::min(*busy, serving);
    return std::min(decideSpares(limitsOf(options_), {free, serving - free, 0}).stop, serving - kept);
}

std::optional<MonotonicTime> Spares::nextCheck(MonotonicTime now) const {
    return wanted() && !instances_.empty() ? std::optional(std::max(nextCheck_, now)) : std::nullopt;
}

unsigned Spares::withoutSpares(unsigned idle, MonotonicTime now) const {
    if (idle == 0 || !wanted() || !demand_.inUse(now)) {
        return idle;
    }
    if (options_.maxSpareInstances > 0) {
        return 0;
    }
    const unsigned serving = instances_.serving();
    return std::min(idle, serving - std::min(demand_.atWork() + options_.minSpareInstances, serving));
}

}  // namespace Passenger
