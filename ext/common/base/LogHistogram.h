#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace Passenger {

/**
 * A histogram of durations with buckets that double in width. Bucket 0 counts times below 1 µs.
 * Bucket n counts times from 2^(n-1) µs to below 2^n µs. The last bucket counts all times from 18
 * minutes on. A plain value, not thread-safe.
 */
struct LogHistogram {
    static constexpr std::size_t BUCKETS = 32;

    std::array<std::uint64_t, BUCKETS> counts{};

    static constexpr std::size_t bucket(std::chrono::nanoseconds time) noexcept {
        const auto microseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0)) / 1000;
        return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(microseconds)), BUCKETS - 1);
    }
    /**
     * All times in the bucket are below this bound. Bucket 0 has the bound 0, since its times are
     * negligible.
     */
    static constexpr std::chrono::nanoseconds upperBound(std::size_t bucket) noexcept {
        return bucket == 0 ? std::chrono::nanoseconds(0) : std::chrono::microseconds(std::uint64_t{1} << bucket);
    }

    void add(std::chrono::nanoseconds time) noexcept { counts[bucket(time)]++; }
    void merge(const LogHistogram &other) noexcept {
        for (std::size_t i = 0; i < BUCKETS; i++) {
            counts[i] += other.counts[i];
        }
    }
    /** The counts since `earlier`, an older state of the same histogram. */
    LogHistogram since(const LogHistogram &earlier) const noexcept {
        LogHistogram difference;
        for (std::size_t i = 0; i < BUCKETS; i++) {
            difference.counts[i] = counts[i] > earlier.counts[i] ? counts[i] - earlier.counts[i] : 0;
        }
        return difference;
    }
    /** Halves the weight of all counts so far. */
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
    /**
     * The upper bound of the bucket that reaches the given share (0 to 1) of all times. 0 if the
     * histogram is empty.
     */
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
