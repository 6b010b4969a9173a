#include "pool/Backoff.h"

#include <algorithm>

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds FIRST_DELAY{500};
constexpr milliseconds LONGEST_DELAY{60000};
/** FIRST_DELAY, doubled so often, is over LONGEST_DELAY. */
constexpr unsigned MAX_DOUBLINGS = 7;
constexpr unsigned FREE_DEATHS = 2;
/** Deaths that are so far apart have nothing to do with each other. */
constexpr std::chrono::seconds FORGET_DEATHS{60};

/** @param failures so far, at least one */
milliseconds delayAfter(unsigned failures) {
    return std::min(FIRST_DELAY * (1U << std::min(failures - 1, MAX_DOUBLINGS)), LONGEST_DELAY);
}

}  // namespace

void Backoff::spawnFailed(MonotonicTime now) noexcept {
    notBefore_ = std::max(notBefore_, now + delayAfter(++failures_));
}

void Backoff::spawnSucceeded() noexcept {
    failures_ = 0;
}

void Backoff::instanceDied(MonotonicTime now, std::chrono::nanoseconds age) noexcept {
    if (age >= YOUNG || now - lastDeath_ > FORGET_DEATHS) {
        deaths_ = 0;
    }
    if (age >= YOUNG) {
        return;
    }
    lastDeath_ = now;
    if (++deaths_ > FREE_DEATHS) {
        notBefore_ = std::max(notBefore_, now + delayAfter(deaths_ - FREE_DEATHS));
    }
}

void Backoff::reset() noexcept {
    *this = Backoff();
}

}  // namespace Passenger
