#include "pool/Spawns.h"

#include "exchange/QueueHost.h"

namespace Passenger {

namespace {

/** If no attempt is allowed within this time, requests do not wait for the next one. */
constexpr std::chrono::seconds WAIT_FOR_NEXT_START_LIMIT{2};

}  // namespace

void Spawns::count(const SpawnTask &task, unsigned by, InstanceId replaced) noexcept {
    starting_ += by;
    replacements_ += task.purpose == SpawnTask::Purpose::GROW ? 0 : by;
    aboveLimit_ += task.aboveLimit ? by : 0;
    loads_ += task.loads ? by : 0;
    adoptions_ += task.orphan.empty() ? 0 : by;
    if (task.purpose == SpawnTask::Purpose::REPLACE) {
        beingReplaced_ = replaced;
    }
}

void Spawns::joined(std::optional<std::chrono::nanoseconds> took, bool wanted) noexcept {
    (took ? counters_.spawned : counters_.adopted)++;
    lastTime_ = took.value_or(lastTime_);
    if (wanted) {
        backoff_.spawnSucceeded();
        failure_.reset();
        isDown_ = false;
    }
}

void Spawns::died(const std::vector<std::pair<ChannelId, Ticket>> &claimed, MonotonicTime now, MonotonicTime since,
                  MonotonicTime lastAnswer) {
    counters_.died++;
    if (!repeatedDeaths_.note(claimed, now, lastAnswer)) {
        backoff_.instanceDied(now, since, lastAnswer);
    }
}

bool Spawns::givesUpForNow(MonotonicTime now, bool asked) noexcept {
    const bool soon = notBefore() < now + WAIT_FOR_NEXT_START_LIMIT && (mayTryUnasked() || asked);
    const bool givesUp = none() && backoff_.dying() && !soon;
    failedAt_ = givesUp ? now : failedAt_;
    return givesUp;
}

void Spawns::refuse() {
    counters_.notStarted++;
    throw RefusedException(failure_->status(), failure_->reportId(), failure_->summary);
}

}  // namespace Passenger
