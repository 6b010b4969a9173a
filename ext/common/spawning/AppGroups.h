#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/Mutex.h"
#include "exchange/Options.h"
#include "spawning/AppGroup.h"

namespace Passenger {

/** The AppGroups of all applications with processes, by name and user. Owned by
 *  AppResources. Thread-safe. */
class AppGroups {
public:
    /** @param user of the application's processes */
    AppGroupPtr of(const Options &options, uid_t user) EXCLUDES(mutex_);
    /** A group that an earlier pool process has made. */
    AppGroupPtr named(const std::string &app, const std::string &name) EXCLUDES(mutex_);
    /** A process of this group was taken over: of() gives this group, if it has none yet. */
    void adopt(const Options &options, uid_t user, const AppGroupPtr &group) EXCLUDES(mutex_);
    std::vector<std::string> names() const EXCLUDES(mutex_);
    /** While true, no group is ended: its processes finish their requests without this process, or
     *  some of them are still to be taken over. */
    void keep(bool kept) noexcept { shared_->kept.store(kept); }
    /** What limits of the groups have done to an application since this process knows it. */
    CgroupEvents eventsOf(const std::string &app) EXCLUDES(mutex_);
    /** See AppTable::keep(). */
    void keepEvents(const std::function<bool(const std::string &)> &isKnown) { shared_->events.keep(isKnown); }

private:
    const std::shared_ptr<AppGroup::Shared> shared_ = std::make_shared<AppGroup::Shared>();
    mutable Mutex mutex_{Locks::APP_GROUPS};
    std::map<std::pair<std::string, uid_t>, std::weak_ptr<AppGroup>> groups_ GUARDED_BY(mutex_);
    std::map<std::string, std::weak_ptr<AppGroup>> named_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
