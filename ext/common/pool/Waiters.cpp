#include "pool/Waiters.h"

#include <algorithm>
#include <utility>

namespace Passenger {

void Waiters::add(Waiter waiter) {
    waiters_.push_back(std::move(waiter));
}

void Waiters::offer(const std::function<std::optional<bool>(Waiter &)> &take) {
    for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
        const std::optional<bool> taken = take(*waiter);
        if (!taken) {
            return;
        }
        waiter = *taken ? waiters_.erase(waiter) : std::next(waiter);
    }
}

std::optional<Waiter> Waiters::remove(std::uint64_t id) {
    const auto found =
        std::find_if(waiters_.begin(), waiters_.end(), [&](const Waiter &waiter) { return waiter.id == id; });
    if (found == waiters_.end()) {
        return std::nullopt;
    }
    std::optional<Waiter> waiter(std::move(*found));
    waiters_.erase(found);
    return waiter;
}

std::list<Waiter> Waiters::expire(MonotonicTime now) {
    std::list<Waiter> expired;
    for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
        const auto next = std::next(waiter);
        if (waiter->deadline && *waiter->deadline <= now) {
            expired.splice(expired.end(), waiters_, waiter);
        }
        waiter = next;
    }
    return expired;
}

std::list<Waiter> Waiters::removeAll() {
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
