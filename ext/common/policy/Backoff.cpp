#include "policy/Backoff.h"

#include <algorithm>

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds FIRST_DELAY{500};
constexpr milliseconds LONGEST_DELAY{60000};
constexpr unsigned FREE_DEATHS = 4;
/** The number of attempts without a request, after failures and after deaths. */
constexpr unsigned UNASKED_ATTEMPTS = 3;
constexpr milliseconds FIRST_DELAY_AFTER_DEATHS{10000};
/** An instance that has lived for longer does not end soon after its start. Breaks of queues with a
 *  longer time between them are unrelated. */
constexpr std::chrono::seconds FORGET{120};
/** After so many doublings any delay exceeds LONGEST_DELAY. */
constexpr unsigned MAX_DOUBLINGS = 7;

/** @param times the number of earlier delays */
milliseconds doubled(milliseconds delay, unsigned times) {
    return std::min(delay * (1U << std::min(times, MAX_DOUBLINGS)), LONGEST_DELAY);
}

}  // namespace

bool Backoff::mayTryUnasked() const noexcept {
    return failures_ < UNASKED_ATTEMPTS && deaths_ < UNASKED_ATTEMPTS;
}

void Backoff::spawnFailed(MonotonicTime now, bool grows) noexcept {
    if (mayTry(now)) {
        notBefore_ = now + (grows ? doubled(FIRST_DELAY, failures_) : FIRST_DELAY);
        failures_++;
    }
}

void Backoff::spawnSucceeded() noexcept {
    failures_ = 0;
}

void Backoff::answered(MonotonicTime lastAnswer) noexcept {
    if (lastAnswer > lastDeath_) {
        deaths_ = 0;
    }
}

void Backoff::instanceDied(MonotonicTime now, MonotonicTime since, MonotonicTime lastAnswer) noexcept {
    answered(lastAnswer);
    if (lastAnswer > since || now - since > FORGET) {
        deaths_ = 0;
    }
    if (lastAnswer > since) {
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
    failures_ = failures_ < UNASKED_ATTEMPTS ? 0 : UNASKED_ATTEMPTS - 1;
    deaths_ = deaths_ < UNASKED_ATTEMPTS ? 0 : UNASKED_ATTEMPTS - 1;
    breaks_ = 0;
    notBefore_ = {};
}

}  // namespace Passenger
