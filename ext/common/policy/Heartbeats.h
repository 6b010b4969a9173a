#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/Clock.h"

namespace Passenger {

/**
 * When each of several workers was last heard of, and which of them has been silent for longer than `timeout`. `Id` is whatever
 * names a worker, with a hash. Pure, but for what it remembers: all times are given. Not thread-safe.
 *
 * Whoever checks may have been stopped itself, together with the machine or alone; that must not look like the silence of everybody. When
 * the last check is further back than LONGEST_GAP intervals, all workers are given a fresh time.
 */
template <typename Id> class Heartbeats {
public:
    static constexpr int LONGEST_GAP = 2;

    /** @param timeout zero: off, nobody is ever overdue */
    explicit Heartbeats(std::chrono::nanoseconds timeout = std::chrono::nanoseconds(0)) : timeout_(timeout) {}

    bool enabled() const noexcept {
        return timeout_ > std::chrono::nanoseconds(0);
    }
    std::chrono::nanoseconds timeout() const noexcept {
        return timeout_;
    }
    /** Counts at the next check. */
    void setTimeout(std::chrono::nanoseconds timeout) noexcept {
        timeout_ = timeout;
    }
    /** How often to check at least: timeout × 1.5, or more often where who checks says so. Who is silent is so found within 2.5 × timeout. */
    std::chrono::nanoseconds checkInterval() const noexcept {
        return checkInterval_.value_or(timeout_ + timeout_ / 2);
    }
    /** What is too long between two checks follows from it. */
    void setCheckInterval(std::chrono::nanoseconds interval) noexcept {
        checkInterval_ = interval;
    }
    /** How often a worker is to send a sign, so that one that is late or lost is no silence. */
    std::chrono::nanoseconds ackInterval() const noexcept {
        return timeout_ / 3;
    }

    /** It gave a sign of life; the first one adds it. A time before the last one changes nothing. */
    void noteAck(Id id, MonotonicTime now) {
        if (last_.empty()) {
            // There was nobody to check, so that is no gap.
            lastCheck_ = std::max(lastCheck_, now);
        }
        auto &last = last_.try_emplace(id, now).first->second;
        last = std::max(last, now);
    }
    void forget(Id id) {
        last_.erase(id);
    }
    std::optional<MonotonicTime> lastAck(Id id) const {
        const auto found = last_.find(id);
        return found == last_.end() ? std::nullopt : std::optional(found->second);
    }
    std::size_t size() const noexcept {
        return last_.size();
    }

    /** Those without a sign of life for more than the timeout, the longest silent ones first. They stay until they are forgotten. */
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

    /** When to check again so as to find the first silent one at once; nothing when there is nobody to wait for. For those who
     *  do not check by the interval; never later than an interval after the last check. */
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
