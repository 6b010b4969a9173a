#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/Mutex.h"
#include "pool/Groups.h"
#include "pool/PoolContext.h"
#include "restart/RestartFiles.h"

namespace Passenger {

/**
 * Looks at the restart files of applications, and restarts those whose files ask for it.
 *
 * Owned by the Pool. Thread-safe. The check() functions block on the file system: not on the event
 * loop.
 */
class RestartCheck {
public:
    using Done = std::function<void(bool looked)>;

    /** Both arguments outlive this object. */
    RestartCheck(PoolContext &context, const Groups &groups) : context_(context), groups_(groups) {}

    /** Looks at the restart files of all applications that have ever been started. @return whether
     *  each could be looked at */
    bool check() EXCLUDES(poolLock);
    /** Looks at the restart files of one application, if it is known. A failure is logged. @param
     *  name of the SuperGroup */
    void check(const std::string &name) noexcept EXCLUDES(poolLock);
    /**
     * Looks at them in a background thread. Does not wait. Questions about one application share
     * looks.
     * @param done called without a lock when a look that began after this call has been acted on,
     *     or has failed. Called at once if there is no such application, or no thread for it
     */
    void ask(const std::string &name, Done done) EXCLUDES(poolLock);
    /** The folders of all restart files, except those whose users are not known yet. */
    std::vector<RestartFolder> folders() const EXCLUDES(poolLock);

private:
    using GroupPtr = std::shared_ptr<Group>;

    std::vector<GroupPtr> started() const EXCLUDES(poolLock);
    bool check(Group &group) EXCLUDES(poolLock);
    const char *reasonOf(Group &group) EXCLUDES(poolLock);
    bool knowsUser(Group &group) EXCLUDES(poolLock);
    std::optional<bool> enlist(const std::string &name, Done &done) EXCLUDES(poolLock);
    bool tryCheck(Group &group) noexcept EXCLUDES(poolLock);
    void answer(const GroupPtr &group) EXCLUDES(poolLock);

    PoolContext &context_;
    const Groups &groups_;
    /** The questions that the next look answers, of each Group whose thread runs. */
    std::map<const Group *, std::vector<Done>> asked_ GUARDED_BY(poolLock);
};

}  // namespace Passenger
