#include "exchange/ExchangeTimes.h"

#include <algorithm>

namespace Passenger {

using std::chrono::milliseconds;

namespace {

/** A wait that takes so much longer than meant was a pause of this process, as of its container. On
 *  a busy machine a wait takes longer, too. */
constexpr std::chrono::seconds LONGEST_DELAY{2};

}  // namespace

void ExchangeTimes::sending(bool first) noexcept {
    sentAt_ = now();
    if (first) {
        waitingSince_ = sentAt_;
    }
    begunAt_.reset();
    endedAt_.reset();
    excused_ = {};
}

void ExchangeTimes::queuedUntilNow() noexcept {
    queued_ = std::chrono::duration_cast<std::chrono::microseconds>(now() - sentAt_);
}

void ExchangeTimes::begunNow() noexcept {
    if (!begunAt_) {
        begin(now());
    }
}

void ExchangeTimes::begunAfterQueue() noexcept {
    if (!begunAt_) {
        begin(std::min<MonotonicTime>(sentAt_ + queued_, now()));
    }
}

void ExchangeTimes::begin(MonotonicTime at) noexcept {
    begunAt_ = at;
    // The rest of the pauses was in the queue.
    excused_ = std::min<std::chrono::nanoseconds>(excused_, now() - at);
}

void ExchangeTimes::excuse(std::chrono::nanoseconds time) noexcept {
    if (begunAt_) {
        excused_ += time;
    }
}

/** Also before the begin, which may be set to a moment before the pause later. */
void ExchangeTimes::waited(MonotonicTime since, std::chrono::nanoseconds meant) noexcept {
    const std::chrono::nanoseconds late = now() - since - meant;
    if (late > LONGEST_DELAY) {
        excused_ += late;
    }
}

std::chrono::nanoseconds ExchangeTimes::waitedUntilBegun() const noexcept {
    return begunAt_ ? *begunAt_ - waitingSince_ : waited();
}

std::optional<MonotonicTime> ExchangeTimes::queueDeadline() const noexcept {
    return options_.maxQueueTime > milliseconds(0) ? waitingSince_ + options_.maxQueueTime : host_.endOfWaiting();
}

std::optional<MonotonicTime> ExchangeTimes::workDeadline() const noexcept {
    const milliseconds limit = options_.maxRequestTime;
    return limit > milliseconds(0) && begunAt_ ? std::optional(*begunAt_ + limit + excused_) : std::nullopt;
}

std::optional<MonotonicTime> ExchangeTimes::slowDate() const noexcept {
    const milliseconds limit = options_.slowRequestTime;
    return limit > milliseconds(0) ? std::optional(waitingSince_ + limit) : std::nullopt;
}

bool ExchangeTimes::workIsUp() const noexcept {
    const std::optional<MonotonicTime> deadline = workDeadline();
    return deadline && *deadline <= now();
}

/** The instance's figure counts at most up to the time that this process has measured. */
ExchangeTimes::Durations ExchangeTimes::durations() const noexcept {
    const std::chrono::nanoseconds elapsed = endedAt_.value_or(now()) - sentAt_;
    const std::chrono::nanoseconds queued = std::min<std::chrono::nanoseconds>(queued_, elapsed);
    return {sentAt_ - waitingSince_ + queued, elapsed - queued};
}

}  // namespace Passenger
