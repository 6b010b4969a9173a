#include "policy/ForkDelay.h"

#include <algorithm>

namespace Passenger {

namespace {

/** After so many doublings FIRST exceeds LONGEST. */
constexpr unsigned MAX_DOUBLINGS = 7;
static_assert(ForkDelay::FIRST * (1U << MAX_DOUBLINGS) > ForkDelay::LONGEST);

}  // namespace

void ForkDelay::failed(MonotonicTime now) noexcept {
    if (now >= notBefore_) {
        failures_ = std::max(failures_, FREE_DEATHS);
        count(now);
    }
}

void ForkDelay::died(MonotonicTime now, std::chrono::nanoseconds life) noexcept {
    if (life >= LONG_LIFE) {
        failures_ = 0;
    } else if (now >= notBefore_) {
        count(now);
    }
}

void ForkDelay::count(MonotonicTime now) noexcept {
    if (now - last_ > FORGET) {
        failures_ = std::min(failures_, FREE_DEATHS);
    }
    last_ = now;
    if (++failures_ > FREE_DEATHS) {
        notBefore_ = now + std::min(FIRST * (1U << std::min(failures_ - FREE_DEATHS - 1, MAX_DOUBLINGS)), LONGEST);
    }
}

}  // namespace Passenger
