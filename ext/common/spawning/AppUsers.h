#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/Mutex.h"
#include "rights/RunAs.h"
#include "spawning/AppTable.h"

namespace Passenger {

/** The user as whom each application was last started, or was to be. Owned by the spawner factory.
 *  Thread-safe; never blocks. */
class AppUsers {
public:
    void note(const std::string &app, const RunAs &user) EXCLUDES(mutex_);
    /** Nothing: this pool process has not started the application yet. */
    std::optional<RunAs> of(const std::string &app) const EXCLUDES(mutex_);
    /** As AppTable::keep(). */
    void keep(const std::function<bool(const std::string &)> &isKnown) EXCLUDES(mutex_);

private:
    mutable Mutex mutex_{Locks::APP_USERS};
    AppTable<RunAs> users_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
