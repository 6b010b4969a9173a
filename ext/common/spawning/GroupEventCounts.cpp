#include "spawning/GroupEventCounts.h"

namespace Passenger {

void GroupEventCounts::add(const std::string &app, const CgroupEvents &more) {
    const LockGuard guard(mutex_);
    CgroupEvents &all = counts_[app];
    all.memoryKills += more.memoryKills;
    all.memoryReached += more.memoryReached;
    all.tasksRefused += more.tasksRefused;
}

CgroupEvents GroupEventCounts::of(const std::string &app) const {
    const LockGuard guard(mutex_);
    const CgroupEvents *const found = counts_.find(app);
    return found == nullptr ? CgroupEvents() : *found;
}

void GroupEventCounts::keep(const std::function<bool(const std::string &)> &isKnown) {
    const LockGuard guard(mutex_);
    counts_.keep(isKnown);
}

}  // namespace Passenger
