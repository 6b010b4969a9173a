#include "policy/RestartDelay.h"

#include <algorithm>
#include <utility>

#include "base/Poll.h"

namespace Passenger {

using std::chrono::milliseconds;

milliseconds RestartDelay::ended(MonotonicTime now) {
    if (now - startedAt_ >= LONG_LIFE) {
        delay_ = milliseconds(0);
    }
    dueAt_ = now + delay_;
    const auto doubled = delay_.count() == 0 ? FIRST : std::min(2 * delay_, LONGEST);
    return std::exchange(delay_, doubled);
}

std::optional<milliseconds> RestartDelay::wait(MonotonicTime now) const {
    if (!dueAt_) {
        return std::nullopt;
    }
    return timeUntil(*dueAt_, now);
}

bool RestartDelay::takeDue(MonotonicTime now) {
    if (!dueAt_ || now < *dueAt_) {
        return false;
    }
    dueAt_.reset();
    return true;
}

}  // namespace Passenger
