#pragma once

#include <functional>
#include <string>

#include "base/Mutex.h"
#include "rights/Cgroups.h"
#include "spawning/AppTable.h"

namespace Passenger {

/**
 * What limits of control groups have done to applications, by name, since this process knows them.
 * Groups end, and these counts stay until the application is forgotten. Shared by AppGroups and its
 * groups. Thread-safe.
 */
class GroupEventCounts {
public:
    void add(const std::string &app, const CgroupEvents &more) EXCLUDES(mutex_);
    CgroupEvents of(const std::string &app) const EXCLUDES(mutex_);
    /** As AppTable::keep(). */
    void keep(const std::function<bool(const std::string &)> &isKnown) EXCLUDES(mutex_);

private:
    mutable Mutex mutex_{Locks::GROUP_EVENT_COUNTS};
    /** Only applications to which a limit did something. */
    AppTable<CgroupEvents> counts_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
