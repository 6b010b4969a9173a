#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "base/Clock.h"

namespace Passenger {

/**
 * How many of the free workers were too many for all of a time: the smallest surplus within it. So workers do not come and go with each
 * connection, and yet all that were not needed for so long go together. Pure, but for what it remembers; not thread-safe.
 */
class SurplusWindow {
public:
    explicit SurplusWindow(std::chrono::nanoseconds length) : length_(length) {}

    void setLength(std::chrono::nanoseconds length) noexcept {
        length_ = length;
    }
    /** So many are too many from now on. */
    void note(unsigned surplus, MonotonicTime now);
    /** So many were too many all the time. They are taken off: whoever asks ends them. */
    unsigned take(MonotonicTime now);
    /** When take() has something next. */
    std::optional<MonotonicTime> nextDue() const;
    void clear() {
        steps_.clear();
    }

private:
    /** Since `since` there have been `surplus` at least. Both grow from one to the next. */
    struct Step {
        MonotonicTime since;
        unsigned surplus;
    };

    std::chrono::nanoseconds length_;
    std::deque<Step> steps_;
};

}  // namespace Passenger
