#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "base/Clock.h"

namespace Passenger {

/**
 * Finds how many free workers were surplus during the whole window: the smallest surplus in it. So
 * workers do not start and end with each connection, and all that were not needed in the window end
 * together. Not thread-safe; all times are passed in.
 */
class SurplusWindow {
public:
    explicit SurplusWindow(std::chrono::nanoseconds length) : length_(length) {}

    void setLength(std::chrono::nanoseconds length) noexcept { length_ = length; }
    /** Records the surplus from `now` on. */
    void note(unsigned surplus, MonotonicTime now);
    /**
     * The number of workers that were surplus for the whole window. The caller ends them; they no
     * longer count.
     */
    unsigned take(MonotonicTime now);
    /** The next time at which take() may return more than 0. */
    std::optional<MonotonicTime> nextDue() const;

private:
    /**
     * The surplus has been at least `surplus` since the time `since`. Both grow from one step to
     * the next.
     */
    struct Step {
        MonotonicTime since;
        unsigned surplus;
    };

    std::chrono::nanoseconds length_;
    std::deque<Step> steps_;
};

}  // namespace Passenger
