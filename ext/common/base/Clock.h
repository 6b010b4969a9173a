#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace Passenger {

/** A point on CLOCK_MONOTONIC. All processes of a machine share this clock. */
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/**
 * A source of time. Code whose decisions depend on time gets a Clock, so that tests can set the
 * time. Thread-safe.
 */
class Clock {
public:
    virtual ~Clock() = default;
    virtual MonotonicTime now() const = 0;
};

/** The form of a length of time for people, JSON and arithmetic. */
template <class Rep, class Period> double inSeconds(std::chrono::duration<Rep, Period> time) {
    return std::chrono::duration<double>(time).count();
}

/** The earlier one of two dates, each of which may be none. */
inline std::optional<MonotonicTime> earlier(std::optional<MonotonicTime> one, std::optional<MonotonicTime> other) {
    return one && other ? std::min(*one, *other) : one ? one : other;
}

/** The form of a time in shared memory and messages. */
inline std::uint64_t toNanoseconds(MonotonicTime time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

}  // namespace Passenger
