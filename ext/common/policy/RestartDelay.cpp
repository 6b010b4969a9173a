#include "policy/RestartDelay.h"

#include <algorithm>
#include <utility>

namespace Passenger {

std::chrono::milliseconds RestartDelay::next(MonotonicTime started, MonotonicTime ended) {
    if (ended - started >= LONG_LIFE) {
        delay_ = std::chrono::milliseconds(0);
    }
    const auto doubled = delay_.count() == 0 ? FIRST : std::min(2 * delay_, LONGEST);
    return std::exchange(delay_, doubled);
}

}  // namespace Passenger
