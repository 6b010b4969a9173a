#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/Clock.h"

namespace Passenger {

/**
 * Records the last sign of life of each worker, and finds workers that were silent for longer than
 * `timeout`. `Id` names a worker and has a hash. Not thread-safe; all times are passed in.
 *
 * The checking process may itself have been stopped, alone or with the machine. Its own pause must
 * not count as silence of the workers. If the last check is more than LONGEST_GAP intervals ago,
 * the time of every worker begins anew.
 */
template <typename Id> class Heartbeats {
public:
    static constexpr int LONGEST_GAP = 2;

    /** @param timeout zero: off, no worker is ever overdue */
    explicit Heartbeats(std::chrono::nanoseconds timeout = std::chrono::nanoseconds(0)) : timeout_(timeout) {}

    bool enabled() const noexcept { return timeout_ > std::chrono::nanoseconds(0); }
    std::chrono::nanoseconds timeout() const noexcept { return timeout_; }
    /** Takes effect at the next check. */
    void setTimeout(std::chrono::nanoseconds timeout) noexcept { timeout_ = timeout; }
    /**
     * The longest time between two checks: timeout × 1.5, unless setCheckInterval() set another.
     * With the default a silent worker is found within 2.5 × timeout.
     */
    std::chrono::nanoseconds checkInterval() const noexcept { return checkInterval_.value_or(timeout_ + timeout_ / 2); }
    /** The longest allowed gap between two checks follows from the interval. */
    void setCheckInterval(std::chrono::nanoseconds interval) noexcept { checkInterval_ = interval; }
    /** The interval for a worker's signs of life. One late or lost sign is no silence. */
    std::chrono::nanoseconds ackInterval() const noexcept { return timeout_ / 3; }

    /**
     * Records a sign of life; the first one adds the worker. A time before the recorded one is
     * ignored.
     */
    void noteAck(Id id, MonotonicTime now) {
        if (last_.empty()) {
            // Without workers no checks are needed, so the gap before this sign does not count.
            lastCheck_ = std::max(lastCheck_, now);
        }
        auto &last = last_.try_emplace(id, now).first->second;
        last = std::max(last, now);
    }
    void forget(Id id) { last_.erase(id); }
    std::optional<MonotonicTime> lastAck(Id id) const {
        const auto found = last_.find(id);
        return found == last_.end() ? std::nullopt : std::optional(found->second);
    }

    /**
     * The workers without a sign of life for more than the timeout, the longest silent ones first.
     * They stay recorded until forget().
     */
    std::vector<Id> overdue(MonotonicTime now) {
        std::vector<Id> found;
        const bool paused = now - lastCheck_ > LONGEST_GAP * checkInterval();
        lastCheck_ = std::max(lastCheck_, now);
        if (!enabled()) {
            return found;
        }
        for (auto &[id, last] : last_) {
            if (paused) {
                last = std::max(last, now);
            } else if (now - last > timeout_) {
                found.push_back(id);
            }
        }
        std::stable_sort(found.begin(), found.end(), [this](Id a, Id b) { return last_.at(a) < last_.at(b); });
        return found;
    }

    /**
     * The time of the next check that finds the first silent worker at once; at the latest an
     * interval after the last check. Nothing if there is no worker. For callers without a fixed
     * interval.
     */
    std::optional<MonotonicTime> nextDue() const {
        if (!enabled() || last_.empty()) {
            return std::nullopt;
        }
        MonotonicTime due = MonotonicTime::max();
        for (const auto &[id, last] : last_) {
            due = std::min(due, last + timeout_ + std::chrono::nanoseconds(1));
        }
        return std::min(due, lastCheck_ + checkInterval());
    }

private:
    std::chrono::nanoseconds timeout_;
    std::optional<std::chrono::nanoseconds> checkInterval_;
    std::unordered_map<Id, MonotonicTime> last_;
    MonotonicTime lastCheck_{};
};

}  // namespace Passenger
