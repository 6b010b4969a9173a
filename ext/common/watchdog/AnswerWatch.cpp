#include "watchdog/AnswerWatch.h"

namespace Passenger {

void AnswerWatch::setLimit(std::chrono::seconds limit) noexcept {
    limit_ = limit;
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
}

void AnswerWatch::answered(MonotonicTime now) noexcept {
    if (askedAt_) {
        askedAt_.reset();
        askAt_ = now + INTERVAL;
    }
}

bool AnswerWatch::isOverdue(MonotonicTime now) const noexcept {
    return limit_.count() > 0 && askedAt_ && now - *askedAt_ >= limit_;
}

std::optional<MonotonicTime> AnswerWatch::next() const noexcept {
    if (limit_.count() == 0) {
        return std::nullopt;
    }
    return askedAt_ ? *askedAt_ + limit_ : askAt_;
}

}  // namespace Passenger
