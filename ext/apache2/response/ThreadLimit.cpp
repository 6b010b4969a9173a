#include "apache2/response/ThreadLimit.h"

namespace Passenger {

std::optional<ThreadLimit::Place> ThreadLimit::take(const std::string &app) {
    const LockGuard guard(mutex_);
    std::size_t &taken = taken_[app];
    if (most_ > 0 && taken >= most_) {
        return std::nullopt;
    }
    taken++;
    return Place(*this, app);
}

void ThreadLimit::giveBack(const std::string &app) {
    const LockGuard guard(mutex_);
    const auto found = taken_.find(app);
    if (--found->second == 0) {
        taken_.erase(found);
    }
}

}  // namespace Passenger
