#include "watchdog/AnswerWatch.h"

#include <algorithm>

namespace Passenger {

void AnswerWatch::setLimit(std::chrono::seconds limit) noexcept {
    limit_ = limit;
}

void AnswerWatch::starting(MonotonicTime now) noexcept {
    askAt_.reset();
    askedAt_ = now;
    overdueAt_ = now + std::max(limit_, START_LIMIT);
    watched_ = false;
}

void AnswerWatch::begin(MonotonicTime now) noexcept {
    askAt_ = now;
    askedAt_.reset();
}

void AnswerWatch::end() noexcept {
    askAt_.reset();
    askedAt_.reset();
}

bool AnswerWatch::asksNow(MonotonicTime now) const noexcept {
    return limit_.count() > 0 && askAt_ && *askAt_ <= now;
}

void AnswerWatch::asked(MonotonicTime now) noexcept {
    askAt_.reset();
    askedAt_ = now;
    overdueAt_ = now + limit_;
    watched_ = false;
}

void AnswerWatch::answered(MonotonicTime now) noexcept {
    if (askedAt_) {
        askedAt_.reset();
        askAt_ = now + INTERVAL;
    }
}

bool AnswerWatch::watchesNow(MonotonicTime now) const noexcept {
    return limit_.count() > 0 && askedAt_ && !watched_ && now >= overdueAt_ - half();
}

void AnswerWatch::watched(MonotonicTime now) noexcept {
    watched_ = true;
    overdueAt_ = std::max(overdueAt_, now + half());
}

bool AnswerWatch::isOverdue(MonotonicTime now) const noexcept {
    return limit_.count() > 0 && askedAt_ && now >= overdueAt_;
}

bool AnswerWatch::extend(MonotonicTime now) noexcept {
    if (now - *askedAt_ >= MOST_LIMITS * limit_) {
        return false;
    }
    overdueAt_ = now + half();
    return true;
}

std::chrono::seconds AnswerWatch::silentFor(MonotonicTime now) const noexcept {
    return askedAt_ ? std::chrono::floor<std::chrono::seconds>(now - *askedAt_) : std::chrono::seconds(0);
}

std::optional<MonotonicTime> AnswerWatch::next() const noexcept {
    if (limit_.count() == 0) {
        return std::nullopt;
    }
    if (!askedAt_) {
        return askAt_;
    }
    return watched_ ? overdueAt_ : overdueAt_ - half();
}

}  // namespace Passenger
