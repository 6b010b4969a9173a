#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace Passenger {

/**
 * How often something took how long, in steps of two: bucket 0 counts times under 1 µs, bucket n those of at least 2^(n-1) and under 2^n µs,
 * the last everything from 18 minutes on. A plain value, not thread-safe.
 */
struct LogHistogram {
    static constexpr std::size_t BUCKETS = 32;

    std::array<std::uint64_t, BUCKETS> counts{};

    static constexpr std::size_t bucket(std::chrono::nanoseconds time) noexcept {
        const auto microseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0)) / 1000;
        return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(microseconds)), BUCKETS - 1);
    }
    /** What all times in the bucket are below. 0 for bucket 0, whose times are none to speak of. */
    static constexpr std::chrono::nanoseconds upperBound(std::size_t bucket) noexcept {
        return bucket == 0 ? std::chrono::nanoseconds(0) : std::chrono::microseconds(std::uint64_t{1} << bucket);
    }

    void add(std::chrono::nanoseconds time) noexcept {
        counts[bucket(time)]++;
    }
    void merge(const LogHistogram &other) noexcept {
        for (std::size_t i = 0; i < BUCKETS; i++) {
            counts[i] += other.counts[i];
        }
    }
    /** What was counted since `earlier`, an older state of the same. */
    LogHistogram since(const LogHistogram &earlier) const noexcept {
        LogHistogram difference;
        for (std::size_t i = 0; i < BUCKETS; i++) {
            difference.counts[i] = counts[i] > earlier.counts[i] ? counts[i] - earlier.counts[i] : 0;
        }
        return difference;
    }
    /** Makes what was counted until now weigh half as much. */
    void halve() noexcept {
        for (std::uint64_t &count : counts) {
            count /= 2;
        }
    }
    std::uint64_t total() const noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t count : counts) {
            sum += count;
        }
        return sum;
    }
    /** The upper bound of the bucket in which the given share (0 to 1) of all times is reached; 0 when nothing was counted. */
    std::chrono::nanoseconds quantile(double share) const noexcept {
        const auto wanted = static_cast<double>(total()) * share;
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < BUCKETS; i++) {
            sum += counts[i];
            if (sum > 0 && static_cast<double>(sum) >= wanted) {
                return upperBound(i);
            }
        }
        return std::chrono::nanoseconds(0);
    }

    friend bool operator==(const LogHistogram &, const LogHistogram &) = default;
};

}  // namespace Passenger
