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
    const auto found = counts_.find(app);
    return found == counts_.end() ? CgroupEvents() : found->second;
}

}  // namespace Passenger
