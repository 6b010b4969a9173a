#pragma once

#include <optional>

#include "base/LogLimit.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * Limits log entries about refused requests of one kind, since an overload refuses thousands. Owned
 * by the AnswerLimits of an httpd child. Thread-safe.
 */
class RefusalLog {
public:
    /** @return the number of entries left out since the last one; nothing: this entry is to be left
     *  out */
    std::optional<unsigned> mayLog() EXCLUDES(mutex_);

private:
    Mutex mutex_{Locks::REFUSAL_LOG};
    LogLimit limit_ GUARDED_BY(mutex_);
    unsigned leftOut_ GUARDED_BY(mutex_) = 0;
};

}  // namespace Passenger
