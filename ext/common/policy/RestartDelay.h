#pragma once

#include <chrono>

#include "base/Clock.h"

namespace Passenger {

/**
 * How long to wait before a process is started again: not at all after it has lived for a while, longer and longer
 * when it dies young again and again. A plain value, decided by the times passed in.
 */
class RestartDelay {
public:
    /** Who lived this long did not die of its start. */
    static constexpr std::chrono::seconds LONG_LIFE{10};
    static constexpr std::chrono::milliseconds FIRST{100};
    static constexpr std::chrono::milliseconds LONGEST{10000};

    /** Told at each death. The first one after a long life, or at all, is followed by a start at once. */
    std::chrono::milliseconds next(MonotonicTime started, MonotonicTime ended);

private:
    std::chrono::milliseconds delay_{0};
};

}  // namespace Passenger
