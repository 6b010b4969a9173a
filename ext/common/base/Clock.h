#pragma once

#include <chrono>
#include <cstdint>

namespace Passenger {

/** A point on CLOCK_MONOTONIC; comparable between processes of one machine. */
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/** Where time comes from. Passed in wherever time decides something, so that tests can make it pass. Thread-safe. */
class Clock {
public:
    virtual ~Clock() = default;
    virtual MonotonicTime now() const = 0;
};

/** The real one. */
class SystemClock final : public Clock {
public:
    MonotonicTime now() const override;
    /** A shared instance without state. */
    static const SystemClock &instance();
};

/** Nanoseconds as they are written into shared memory and messages. */
inline std::uint64_t toNanoseconds(MonotonicTime time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

}  // namespace Passenger
