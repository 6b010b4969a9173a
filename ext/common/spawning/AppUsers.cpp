#include "spawning/AppUsers.h"

namespace Passenger {

void AppUsers::note(const std::string &app, const RunAs &user) {
    const LockGuard guard(mutex_);
    users_[app] = Entry{user};
}

std::optional<RunAs> AppUsers::of(const std::string &app) const {
    const LockGuard guard(mutex_);
    const auto found = users_.find(app);
    return found == users_.end() ? std::nullopt : std::optional(found->second.user);
}

void AppUsers::keep(const std::function<bool(const std::string &)> &isKnown) {
    const LockGuard guard(mutex_);
    for (auto next = users_.begin(); next != users_.end();) {
        const auto entry = next++;
        const bool known = isKnown(entry->first);
        if (!known && entry->second.doubted) {
            users_.erase(entry);
        } else {
            entry->second.doubted = !known;
        }
    }
}

}  // namespace Passenger
