#include "policy/CpuUse.h"

namespace Passenger {

namespace {

using std::chrono::seconds;

/** The time between two looks. The kernel counts in steps of 10 ms. */
constexpr seconds WINDOW{1};
/** After a longer pause an average says nothing about the present. */
constexpr seconds LONGEST{3};
/** A process with a fiftieth of a core or more works. */
constexpr int PARTS = 50;

}  // namespace

bool CpuUse::isDue(MonotonicTime now) const {
    return !looked_ || now - *looked_ >= WINDOW;
}

void CpuUse::note(MonotonicTime now, std::optional<std::chrono::nanoseconds> used) {
    // The time of a family gets less when a member ends.
    judged_ = looked_ && now - *looked_ <= LONGEST;
    const bool known = judged_ && used && used_ && *used >= *used_;
    onlyWaits_ = known && (*used - *used_) * PARTS < now - *looked_;
    looked_ = now;
    used_ = used;
}

}  // namespace Passenger
