#pragma once

#include <chrono>
#include <cstdint>

#include "base/LogHistogram.h"

namespace Passenger {

/**
 * Recent durations of an operation. The weight of those before about the last thousand decreases. A
 * plain value, not thread-safe.
 */
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
    /** The middle of the median's bucket; 0 without any recorded time. */
    std::chrono::nanoseconds typical() const noexcept { return times_.quantile(0.5) * 3 / 4; }

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
