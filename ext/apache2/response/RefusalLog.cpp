#include "apache2/response/RefusalLog.h"

#include <utility>

#include "base/Clock.h"
#include "base/SystemClock.h"

namespace Passenger {

std::optional<unsigned> RefusalLog::mayLog() {
    LockGuard lock(mutex_);
    if (!limit_.allows(SystemClock::instance().now())) {
        leftOut_++;
        return std::nullopt;
    }
    return std::exchange(leftOut_, 0);
}

}  // namespace Passenger
