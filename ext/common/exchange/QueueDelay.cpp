#include "exchange/QueueDelay.h"

#include <algorithm>

namespace Passenger {

void QueueDelay::waited(Time time, Time target, MonotonicTime now) noexcept {
    const LockGuard lock(mutex_);
    if (now - intervalBegin_ >= INTERVAL) {
        if (least_ != Time::max() && least_ > target) {
            sign(now);
        }
        intervalBegin_ = now;
        least_ = Time::max();
    }
    least_ = std::min(least_, time);
}

void QueueDelay::sign(MonotonicTime now) noexcept {
    overloaded_ = true;
    lastSign_ = now;
}

void QueueDelay::idle() noexcept {
    const LockGuard lock(mutex_);
    least_ = Time(0);
    lastWait_ = MonotonicTime();
}

bool QueueDelay::mayWait(const Load &load, Time target, Time within, MonotonicTime now) noexcept {
    const LockGuard lock(mutex_);
    measure(load, now);
    const bool stalls = stalled(load, target, now);
    if (stalls) {
        sign(now);
    }
    overloaded_ = overloaded_ && now - lastSign_ <= CALM;
    // While no instance has started, the time until one has is not known.
    if (load.capacity == 0 || (meanSeconds_ < 0 && !stalls)) {
        return true;
    }
    // The first answers of instances are often slow, and show little of those that follow.
    if (!overloaded_ && (load.waiting <= MAX_UNPREDICTED || load.answers < ANSWERS)) {
        return true;
    }
    const double usual = overloaded_ ? meanSeconds_ : usualSeconds_;
    // Each request in work has taken as long as the stall at least.
    const double mean = stalls ? std::max(usual, inSeconds(now - stalledSince_)) : usual;
    const double each = mean / load.capacity;
    const double wait = (load.waiting + load.ofKey) * each;
    const double limit = inSeconds(overloaded_ ? within : FRESH * target);
    if (wait <= limit) {
        return true;
    }
    if (overloaded_ ? wait > inSeconds(target) : load.waiting * each > limit) {
        sign(now);
    }
    return false;
}

bool QueueDelay::takeTurn(MonotonicTime now) noexcept {
    const LockGuard lock(mutex_);
    if (now - lastTurn_ < TURN) {
        return false;
    }
    lastTurn_ = now;
    return true;
}

void QueueDelay::measure(const Load &load, MonotonicTime now) noexcept {
    const Time passed = now - measuredSince_;
    // The count is less when another generation of the application, or another agent, counts.
    if (load.answers >= then_.answers && load.service >= then_.service) {
        const std::uint64_t more = load.answers - then_.answers;
        if (more == 0 || passed < INTERVAL || (more < ANSWERS && passed < LONGEST)) {
            return;
        }
        const double mean = inSeconds(load.service - then_.service) / static_cast<double>(more);
        usualSeconds_ = meanSeconds_ < 0 ? mean : std::min(mean, meanSeconds_);
        meanSeconds_ = mean;
    }
    measuredSince_ = now;
    then_ = load;
}

bool QueueDelay::stalled(const Load &load, Time target, MonotonicTime now) noexcept {
    if (load.answers != lastAnswers_ || now - lastWait_ > LONGEST || load.capacity == 0) {
        stalledSince_ = now;
    }
    lastAnswers_ = load.answers;
    lastWait_ = now;
    return now - stalledSince_ > target + INTERVAL;
}

}  // namespace Passenger
