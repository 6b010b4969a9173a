#pragma once

#include <chrono>

#include "base/Clock.h"

namespace Passenger {

/**
 * Limits the log lines that an untrusted peer can cause: LINES in each INTERVAL. A plain value; the
 * caller passes the time.
 */
class LogLimit {
public:
    static constexpr std::chrono::seconds INTERVAL{10};
    static constexpr unsigned LINES = 10;

    /** Whether the caller may write one more line. */
    bool allows(MonotonicTime now) noexcept {
        if (isOver(now)) {
            since_ = now;
            lines_ = 0;
        }
        if (lines_ == LINES) {
            return false;
        }
        lines_++;
        return true;
    }
    /** Whether no line of before counts any more. */
    bool isOver(MonotonicTime now) const noexcept { return now - since_ >= INTERVAL; }

private:
    MonotonicTime since_{};
    unsigned lines_ = 0;
};

}  // namespace Passenger
