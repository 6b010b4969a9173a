#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "base/AppCounters.h"
#include "base/Clock.h"
#include "base/StrongId.h"
#include "policy/Backoff.h"
#include "pool/GetFailure.h"
#include "pool/RepeatedDeaths.h"
#include "pool/SpawnTask.h"

namespace Passenger {

/**
 * The starts of an application: how many are on their way, when the next one may be made after
 * failures and early deaths, and with which failure a request is refused until then.
 *
 * Owned by the Group; guarded by the pool's lock. All times are passed in.
 */
class Spawns {
public:
    /** @param counters of the application; outlive this object */
    explicit Spawns(AppCounters &counters) : counters_(counters) {}

    // ----- Those on their way: the instances do not serve, and do not stand by

    /** A thread works at the task from now on. */
    void begun(const SpawnTask &task) noexcept { count(task, 1, task.replaces); }
    /** The task's instance serves or stands by, or the task has failed. */
    void concluded(const SpawnTask &task) noexcept { count(task, -1U, InstanceId()); }
    /** What counts for the limits. */
    unsigned starting() const noexcept { return starting_; }
    /** The starting instances that replace nothing. */
    unsigned growing() const noexcept { return starting_ - replacements_; }
    /** The starting instances that the pool's limit does not count. */
    unsigned aboveLimit() const noexcept { return aboveLimit_; }
    /** Those that load the application. */
    unsigned loads() const noexcept { return loads_; }
    /** Whether an instance of an earlier pool process is being taken over. */
    bool adopts() const noexcept { return adoptions_ > 0; }
    /** The instance whose successor is being started; none. */
    InstanceId beingReplaced() const noexcept { return beingReplaced_; }
    bool none() const noexcept { return starting_ == 0; }

    // ----- Events

    /** An instance has begun to serve or to stand by. @param took the start's time; nothing: it was
     *  taken over from an earlier pool process. @param wanted it stays */
    void joined(std::optional<std::chrono::nanoseconds> took, bool wanted) noexcept;
    /** No instance came. @param grows whether the delay is longer than the last one */
    void failed(MonotonicTime now, bool grows) noexcept {
        counters_.spawnsFailed++;
        failedAt_ = now;
        backoff_.spawnFailed(now, grows);
    }
    /** An instance ended without an order. A death by a request that was sent again after another
     *  death does not count. @param claimed as RepeatedDeaths' @param since, lastAnswer as
     *  Backoff's */
    void died(const std::vector<std::pair<ChannelId, Ticket>> &claimed, MonotonicTime now, MonotonicTime since,
              MonotonicTime lastAnswer);
    /** Called after died(). Whether that instance died before an answer, and is not replaced soon:
     *  this is a failure, too. @param asked whether a request waits */
    bool givesUpForNow(MonotonicTime now, bool asked) noexcept;
    /** The application is down. @param closed the generation of its queue; none: it had no queue */
    void wentDown(const GetFailure &failure, Generation closed) {
        failure_ = failure;
        isDown_ = true;
        generation_ = closed ? closed : generation_;
    }
    /** See Backoff. */
    void answered(MonotonicTime lastAnswer) noexcept { backoff_.answered(lastAnswer); }
    void queueBroke(MonotonicTime now) noexcept { backoff_.queueBroke(now); }
    /** The application has changed. */
    void changed() noexcept {
        backoff_.changed();
        failure_.reset();
    }

    // ----- The next attempt

    bool mayTry(MonotonicTime now) const noexcept { return backoff_.mayTry(now); }
    /** See Backoff::mayTryUnasked(). */
    bool mayTryUnasked() const noexcept { return backoff_.mayTryUnasked(); }
    MonotonicTime notBefore() const noexcept { return backoff_.notBefore(); }
    /** How many of the `missing` instances may be started: one at a time after a failure. */
    unsigned limit(unsigned missing) const noexcept {
        return backoff_.failing() ? std::min(missing, none() ? 1U : 0U) : missing;
    }
    /** When a start last failed; nothing: never. */
    std::optional<MonotonicTime> lastFailure() const noexcept { return failedAt_; }
    /** The time that the start of the last instance took; zero: none was started. */
    std::chrono::nanoseconds lastTime() const noexcept { return lastTime_; }

    // ----- While no instance serves

    /** Whether the application did not start lately, and it is too early to try again. */
    bool failsAtOnce(MonotonicTime now) const noexcept { return failure_ && none() && !mayTry(now); }
    /** Whether the last instance did not start, or did not live. */
    bool isFailing() const noexcept { return isDown_ || crashLooping(); }
    /** Whether starts fail, or instances die, one after the other. */
    bool crashLooping() const noexcept { return backoff_.looping(); }
    /** Whether the application went down with this generation. A child that comes too late to be
     *  found in the in-flight table is refused when it asks again. */
    bool wentDownWith(Generation generation) const noexcept {
        return failure_ && generation && generation == generation_;
    }
    /** Refuses a request before it is in the queue. Only after a failure.
     *  @throws RefusedException */
    [[noreturn]] void refuse();

private:
    void count(const SpawnTask &task, unsigned by, InstanceId replaced) noexcept;

    AppCounters &counters_;
    unsigned starting_ = 0;
    unsigned replacements_ = 0;
    unsigned aboveLimit_ = 0;
    unsigned loads_ = 0;
    unsigned adoptions_ = 0;
    InstanceId beingReplaced_;

    Backoff backoff_;
    RepeatedDeaths repeatedDeaths_;
    std::optional<MonotonicTime> failedAt_;
    std::chrono::nanoseconds lastTime_{0};
    /** Why the application is down; nothing: it has not failed since it last served. */
    std::optional<GetFailure> failure_;
    Generation generation_;
    /** No start has succeeded since the application went down. A restart does not change it. */
    bool isDown_ = false;
};

}  // namespace Passenger
