#include "spawning/AppUsers.h"

namespace Passenger {

void AppUsers::note(const std::string &app, const RunAs &user) {
    const LockGuard guard(mutex_);
    users_[app] = user;
}

std::optional<RunAs> AppUsers::of(const std::string &app) const {
    const LockGuard guard(mutex_);
    const auto found = users_.find(app);
    return found == users_.end() ? std::nullopt : std::optional(found->second);
}

void AppUsers::keep(const std::function<bool(const std::string &)> &isKnown) {
    const LockGuard guard(mutex_);
    std::erase_if(users_, [&isKnown](const auto &entry) { return !isKnown(entry.first); });
}

}  // namespace Passenger
