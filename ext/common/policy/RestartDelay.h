#pragma once

#include <chrono>
#include <optional>

#include "base/Clock.h"

namespace Passenger {

/**
 * Decides when a process is started again. After a long life that is at once. After early deaths in
 * a row the delay grows. A plain value; all times are passed in.
 */
class RestartDelay {
public:
    /** The death of a process of this age is not caused by its start. */
    static constexpr std::chrono::seconds LONG_LIFE{10};
    static constexpr std::chrono::milliseconds FIRST{100};
    static constexpr std::chrono::milliseconds LONGEST{10000};

    /** Before each start, also one that fails: its "life" is short. */
    void started(MonotonicTime now) noexcept { startedAt_ = now; }
    /** At each death, and after a start that failed. @return the delay: 0 after a long life, and
     *  after the first death */
    std::chrono::milliseconds ended(MonotonicTime now);
    /** The time until the start; nothing: no start is due. */
    std::optional<std::chrono::milliseconds> wait(MonotonicTime now) const;
    /** @return whether the start is due; then it is no longer */
    bool takeDue(MonotonicTime now);
    void cancel() noexcept { dueAt_.reset(); }

private:
    MonotonicTime startedAt_;
    std::chrono::milliseconds delay_{0};
    std::optional<MonotonicTime> dueAt_;
};

}  // namespace Passenger
