#pragma once

#include <map>
#include <string>

#include "base/Mutex.h"
#include "rights/Cgroups.h"

namespace Passenger {

/**
 * What limits of control groups have done to applications since this process began, by name. Groups
 * end, and these counts stay. Shared by AppGroups and its groups. Thread-safe.
 */
class GroupEventCounts {
public:
    void add(const std::string &app, const CgroupEvents &more) EXCLUDES(mutex_);
    CgroupEvents of(const std::string &app) const EXCLUDES(mutex_);

private:
    mutable Mutex mutex_{Locks::GROUP_EVENT_COUNTS};
    /** Only applications to which a limit did something: configured ones. */
    std::map<std::string, CgroupEvents> counts_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
