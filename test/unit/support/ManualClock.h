#pragma once

#include <atomic>
#include <chrono>

#include "base/Clock.h"

namespace Passenger {

/** A clock that only tests advance. Thread-safe. */
class ManualClock final : public Clock {
public:
    MonotonicTime now() const override { return MonotonicTime(std::chrono::nanoseconds(nanoseconds_.load())); }
    void advance(std::chrono::nanoseconds time) { nanoseconds_ += time.count(); }

private:
    /** Not zero, which means "never" in messages and shared memory. */
    std::atomic<std::chrono::nanoseconds::rep> nanoseconds_{std::chrono::nanoseconds(std::chrono::hours(1)).count()};
};

}  // namespace Passenger
