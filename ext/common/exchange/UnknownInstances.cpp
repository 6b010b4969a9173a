#include "exchange/UnknownInstances.h"

namespace Passenger {

bool UnknownInstances::contains(std::uint32_t stickyId, const Clock &clock) {
    if (asked_ == 0 || clock.now() - since_ >= PAUSE) {
        clear();
        since_ = clock.now();
    }
    return asked_ >= MOST || ids_.contains(stickyId);
}

void UnknownInstances::add(std::uint32_t stickyId, const Clock &clock) {
    const MonotonicTime now = clock.now();
    first_ = first_.value_or(now);
    asked_++;
    if (now - *first_ >= TAKE_OVER) {
        ids_.insert(stickyId);
    }
}

void UnknownInstances::clear() {
    ids_.clear();
    asked_ = 0;
}

}  // namespace Passenger
