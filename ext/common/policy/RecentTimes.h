#pragma once

#include <chrono>
#include <cstdint>

#include "base/LogHistogram.h"

namespace Passenger {

/** How long something takes of late: what was counted before the last thousand or so weighs ever less. A plain value, not thread-safe. */
class RecentTimes {
public:
    void add(std::chrono::nanoseconds time) noexcept {
        times_.add(time);
        count_++;
        forget();
    }
    void merge(const LogHistogram &times) noexcept {
        times_.merge(times);
        count_ = times_.total();
        forget();
    }
    /** The middle of the bucket of the median; 0 when nothing was counted. */
    std::chrono::nanoseconds typical() const noexcept {
        return times_.quantile(0.5) * 3 / 4;
    }

private:
    static constexpr std::uint64_t RECENT = 1024;

    void forget() noexcept {
        while (count_ > RECENT) {
            times_.halve();
            count_ = times_.total();
        }
    }

    LogHistogram times_;
    std::uint64_t count_ = 0;
};

}  // namespace Passenger
