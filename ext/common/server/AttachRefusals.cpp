#include "server/AttachRefusals.h"

#include <functional>

namespace Passenger {

bool AttachRefusals::isToLog(const std::string &app, const std::string &reason, MonotonicTime now) {
    // No application's name contains NUL.
    const std::size_t hash = std::hash<std::string>()(app + '\0' + reason);
    if (logged_.contains(hash) || !lines_.allows(now)) {
        return false;
    }
    if (logged_.size() == MOST) {
        logged_.clear();
    }
    logged_.insert(hash);
    return true;
}

}  // namespace Passenger
