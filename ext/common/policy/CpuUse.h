#pragma once

#include <chrono>
#include <optional>

#include "base/Clock.h"

namespace Passenger {

/**
 * Finds out whether a process only waits. It does if it has used less than a fiftieth of a core
 * from one look to the next, a second later. Pure; not thread-safe; all times are passed in.
 */
class CpuUse {
public:
    bool isDue(MonotonicTime now) const;
    /** A look. @param used the CPU time of the process since its start; nothing: not known */
    void note(MonotonicTime now, std::optional<std::chrono::nanoseconds> used);
    /** The result of the last look. False if nothing is known. */
    bool onlyWaits() const noexcept { return onlyWaits_; }

    /** Whether there was a look a moment before the last one, so that onlyWaits() tells of the
     *  present, as far as the CPU time is known. */
    bool judged() const noexcept { return judged_; }

private:
    std::optional<MonotonicTime> looked_;
    std::optional<std::chrono::nanoseconds> used_;
    bool onlyWaits_ = false;
    bool judged_ = false;
};

}  // namespace Passenger
