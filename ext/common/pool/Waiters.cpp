#include "pool/Waiters.h"

#include <algorithm>
#include <utility>

namespace Passenger {

Waiters::Demand Waiters::demand(const std::function<bool(std::uint32_t)> &serves) const {
    if (sticky_ == 0) {
        return {size(), empty() ? std::nullopt : std::optional(head().since)};
    }
    Demand demand;
    for (const Waiter &waiter : waiters_) {
        if (waiter.stickyId == 0 || !serves(waiter.stickyId)) {
            demand.count++;
            demand.since = demand.since ? demand.since : waiter.since;
        }
    }
    return demand;
}

void Waiters::add(Waiter waiter) {
    sticky_ += waiter.stickyId != 0 ? 1 : 0;
    waiters_.push_back(std::move(waiter));
}

/** Takes it out. @return the one after it */
std::list<Waiter>::iterator Waiters::erase(std::list<Waiter>::iterator waiter) {
    sticky_ -= waiter->stickyId != 0 ? 1 : 0;
    return waiters_.erase(waiter);
}

void Waiters::offer(const std::function<std::optional<bool>(Waiter &)> &take) {
    for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
        const std::optional<bool> taken = take(*waiter);
        if (!taken) {
            return;
        }
        waiter = *taken ? erase(waiter) : std::next(waiter);
    }
}

std::optional<Waiter> Waiters::remove(std::uint64_t id) {
    const auto found =
        std::find_if(waiters_.begin(), waiters_.end(), [&](const Waiter &waiter) { return waiter.id == id; });
    if (found == waiters_.end()) {
        return std::nullopt;
    }
    std::optional<Waiter> waiter(std::move(*found));
    erase(found);
    return waiter;
}

std::list<Waiter> Waiters::expire(MonotonicTime now) {
    std::list<Waiter> expired;
    for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
        if (waiter->deadline && *waiter->deadline <= now) {
            expired.push_back(std::move(*waiter));
            waiter = erase(waiter);
        } else {
            ++waiter;
        }
    }
    return expired;
}

std::list<Waiter> Waiters::removeAll() {
    sticky_ = 0;
    return std::exchange(waiters_, {});
}

std::optional<MonotonicTime> Waiters::nextDeadline() const {
    std::optional<MonotonicTime> next;
    for (const Waiter &waiter : waiters_) {
        if (waiter.deadline && (!next || *waiter.deadline < *next)) {
            next = waiter.deadline;
        }
    }
    return next;
}

}  // namespace Passenger
