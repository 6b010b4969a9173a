#pragma once

#include <optional>

#include "base/LogLimit.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * Which refusals of requests are logged, since an overload has thousands of them. One for each httpd child, owned by
 * Child. Thread-safe.
 */
class RefusalLog {
public:
    /** How many were left out since the last one; nothing, where this one is to be left out, too. */
    std::optional<unsigned> mayLog() EXCLUDES(mutex_);

private:
    Mutex mutex_{Locks::REFUSAL_LOG};
    LogLimit limit_ GUARDED_BY(mutex_);
    unsigned leftOut_ GUARDED_BY(mutex_) = 0;
};

}  // namespace Passenger
