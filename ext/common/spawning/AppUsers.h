#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/Mutex.h"
#include "rights/RunAs.h"

namespace Passenger {

/** The user as whom each application was last started, or was to be. Owned by the spawner factory.
 *  Thread-safe; never blocks. */
class AppUsers {
public:
    void note(const std::string &app, const RunAs &user) EXCLUDES(mutex_);
    /** Nothing: this pool process has not started the application yet. */
    std::optional<RunAs> of(const std::string &app) const EXCLUDES(mutex_);
    /** Forgets the applications for which the function returns false in two calls, one after the
     *  other: the caller may not know yet that one was started. */
    void keep(const std::function<bool(const std::string &)> &isKnown) EXCLUDES(mutex_);

private:
    struct Entry {
        RunAs user;
        /** The last keep() did not know it. */
        bool doubted = false;
    };

    mutable Mutex mutex_{Locks::APP_USERS};
    std::map<std::string, Entry> users_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
