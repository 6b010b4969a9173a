#include "spawning/AppUsers.h"

namespace Passenger {

void AppUsers::note(const std::string &app, const RunAs &user) {
    const LockGuard guard(mutex_);
    users_[app] = user;
}

std::optional<RunAs> AppUsers::of(const std::string &app) const {
    const LockGuard guard(mutex_);
    const RunAs *const user = users_.find(app);
    return user == nullptr ? std::nullopt : std::optional(*user);
}

void AppUsers::keep(const std::function<bool(const std::string &)> &isKnown) {
    const LockGuard guard(mutex_);
    users_.keep(isKnown);
}

}  // namespace Passenger
