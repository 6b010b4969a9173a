#pragma once

#include <memory>
#include <vector>

#include "base/Mutex.h"
#include "exchange/Options.h"
#include "pool/Groups.h"
#include "pool/PoolContext.h"
#include "restart/RestartFiles.h"

namespace Passenger {

/**
 * Looks at the restart files of applications, and restarts those whose files ask for it.
 *
 * Owned by the Pool. Thread-safe. All methods but folders() block on the file system: not on the
 * event loop.
 */
class RestartCheck {
public:
    /** Both arguments outlive this object. */
    RestartCheck(PoolContext &context, const Groups &groups) : context_(context), groups_(groups) {}

    /** Of all applications. */
    void check() EXCLUDES(mutex_, poolLock);
    /** Of one, if it is known. */
    void check(const Options &options) EXCLUDES(mutex_, poolLock);
    /** The folders of all restart files, except those whose rights are not known yet. */
    std::vector<RestartFolder> folders() const EXCLUDES(poolLock);

private:
    using GroupPtr = std::shared_ptr<Group>;

    std::vector<GroupPtr> all() const EXCLUDES(poolLock);
    void check(const std::vector<GroupPtr> &groups) REQUIRES(mutex_) EXCLUDES(poolLock);
    bool knowsRights(Group &group) EXCLUDES(poolLock);

    PoolContext &context_;
    const Groups &groups_;
    /** One thread at a time asks the file system. */
    Mutex mutex_{Locks::RESTART_CHECK};
};

}  // namespace Passenger
