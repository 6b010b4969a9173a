#include "policy/Backoff.h"

#include <algorithm>

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds FIRST_DELAY{500};
constexpr milliseconds LONGEST_DELAY{60000};
constexpr unsigned FREE_DEATHS = 4;
constexpr unsigned LOOPING_FAILURES = 3;
constexpr milliseconds FIRST_DELAY_AFTER_DEATHS{10000};
/** Deaths, or breaks of queues, with a longer time between them are unrelated. */
constexpr std::chrono::seconds FORGET{120};
/** After so many doublings any delay exceeds LONGEST_DELAY. */
constexpr unsigned MAX_DOUBLINGS = 7;

/** @param times the number of earlier delays */
milliseconds doubled(milliseconds delay, unsigned times) {
    return std::min(delay * (1U << std::min(times, MAX_DOUBLINGS)), LONGEST_DELAY);
}

}  // namespace

bool Backoff::mayTryUnasked() const noexcept {
    return failures_ < LOOPING_FAILURES;
}

bool Backoff::looping() const noexcept {
    return !mayTryUnasked() || deaths_ > FREE_DEATHS;
}

void Backoff::spawnFailed(MonotonicTime now) noexcept {
    if (mayTry(now)) {
        notBefore_ = now + doubled(FIRST_DELAY, failures_++);
    }
}

void Backoff::spawnSucceeded() noexcept {
    failures_ = 0;
}

void Backoff::instanceDied(MonotonicTime now, bool proved) noexcept {
    if (proved || now - lastDeath_ > FORGET) {
        deaths_ = 0;
    }
    if (proved) {
        return;
    }
    lastDeath_ = now;
    if (++deaths_ > FREE_DEATHS) {
        notBefore_ = std::max(notBefore_, now + doubled(FIRST_DELAY_AFTER_DEATHS, deaths_ - FREE_DEATHS - 1));
    }
}

void Backoff::queueBroke(MonotonicTime now) noexcept {
    if (!mayTry(now)) {
        return;
    }
    if (now - lastBreak_ > FORGET) {
        breaks_ = 0;
    }
    lastBreak_ = now;
    if (++breaks_ > 1) {
        notBefore_ = now + doubled(FIRST_DELAY, breaks_ - 2);
    }
}

void Backoff::changed() noexcept {
    const unsigned failures = mayTryUnasked() ? 0 : LOOPING_FAILURES - 1;
    *this = Backoff();
    failures_ = failures;
}

}  // namespace Passenger
