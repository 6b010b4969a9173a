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
    void merge(const LogHistogram &times) noexcept {
        times_.merge(times);
        while (times_.total() > RECENT) {
            times_.halve();
        }
    }
    /** The middle of the median's bucket; 0 without any recorded time. */
    std::chrono::nanoseconds typical() const noexcept { return times_.quantile(0.5) * 3 / 4; }

private:
    static constexpr std::uint64_t RECENT = 1024;

    LogHistogram times_;
};

}  // namespace Passenger
