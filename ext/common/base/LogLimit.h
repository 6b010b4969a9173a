#pragma once

#include <chrono>

#include "base/Clock.h"

namespace Passenger {

/** For lines that a peer which is not trusted can cause as often as it likes: some in each interval, and no more. A plain value, told the time. */
class LogLimit {
public:
    static constexpr std::chrono::seconds INTERVAL{10};
    static constexpr unsigned LINES = 10;

    /** Whether one more line may be written. */
    bool allows(MonotonicTime now) noexcept {
        if (now - since_ >= INTERVAL) {
            since_ = now;
            lines_ = 0;
        }
        if (lines_ == LINES) {
            return false;
        }
        lines_++;
        return true;
    }

private:
    MonotonicTime since_{};
    unsigned lines_ = 0;
};

}  // namespace Passenger
