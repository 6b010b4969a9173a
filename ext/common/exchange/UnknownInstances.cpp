#include "exchange/UnknownInstances.h"

namespace Passenger {

bool UnknownInstances::contains(std::uint32_t stickyId, const Clock &clock) {
    if (ids_.empty() || clock.now() - since_ >= PAUSE) {
        ids_.clear();
        since_ = clock.now();
    }
    return ids_.size() >= MOST || ids_.contains(stickyId);
}

void UnknownInstances::add(std::uint32_t stickyId, const Clock &clock) {
    const MonotonicTime now = clock.now();
    first_ = first_.value_or(now);
    if (now - *first_ >= TAKE_OVER) {
        ids_.insert(stickyId);
    }
}

}  // namespace Passenger
