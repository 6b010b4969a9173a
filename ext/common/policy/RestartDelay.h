#pragma once

#include <chrono>

#include "base/Clock.h"

namespace Passenger {

/**
 * Decides the delay before a process is started again. After a long life there is none. After early
 * deaths in a row the delay grows. A plain value; all times are passed in.
 */
class RestartDelay {
public:
    /** The death of a process of this age is not caused by its start. */
    static constexpr std::chrono::seconds LONG_LIFE{10};
    static constexpr std::chrono::milliseconds FIRST{100};
    static constexpr std::chrono::milliseconds LONGEST{10000};

    /** Called at each death. The delay is 0 after a long life, and after the first death. */
    std::chrono::milliseconds next(MonotonicTime started, MonotonicTime ended);

private:
    std::chrono::milliseconds delay_{0};
};

}  // namespace Passenger
