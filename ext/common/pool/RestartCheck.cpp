#include "pool/RestartCheck.h"

#include <cstddef>
#include <exception>
#include <utility>

#include "base/Lists.h"
#include "exchange/Options.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

// The reasons for a restart.
constexpr const char *ALWAYS = "always_restart.txt is there";
constexpr const char *CHANGED = "restart.txt has changed";
constexpr const char *UNFINISHED = "an earlier restart was not finished";

}  // namespace

/** The applications that have ever been started. The search for the user of another one costs about
 *  a millisecond. */
std::vector<RestartCheck::GroupPtr> RestartCheck::started() const {
    const PoolGuard guard(context_);
    return those(groups_.share(), [](const GroupPtr &group) REQUIRES(poolLock) { return group->hasStarted(); });
}

/** Most files are as before, which a look at all of them at once tells. */
bool RestartCheck::check() {
    bool looked = true;
    std::vector<GroupPtr> known;
    std::vector<FolderLook> looks;
    for (const GroupPtr &group : started()) {
        if (!group->restartFiles().needsUser()) {
            const RestartFolder folder = group->restartFiles().folder();
            looks.push_back({{folder.path}, folder.user});
            known.push_back(group);
        } else {
            looked = tryCheck(*group) && looked;
        }
    }
    const auto times = Rights::ofThisProcess().modified(looks);
    for (std::size_t i = 0; i < known.size() && i < times.size(); ++i) {
        if (!times[i] || known[i]->restartFiles().mayAsk(*times[i])) {
            looked = times[i] && tryCheck(*known[i]) && looked;
        }
    }
    return looked;
}

void RestartCheck::check(const std::string &name) noexcept {
    GroupPtr group;
    {
        const PoolGuard guard(context_);
        group = groups_.share(name);
    }
    if (group) {
        tryCheck(*group);
    }
}

/** @return false: the files could not be looked at */
bool RestartCheck::check(Group &group) {
    // A look that finds nothing new waits until an earlier one has been acted on.
    const LockGuard turn(group.restartFiles().turn());
    const char *reason = nullptr;
    try {
        reason = reasonOf(group);
    } catch (const std::exception &) {
        // The rights process is replaced, a file system does not answer, or the rights of the
        // application's user cannot be taken. Its starts fail for that, and log it. Other
        // applications must not suffer.
        return false;
    }
    if (reason == nullptr) {
        return true;
    }
    const bool always = reason == ALWAYS;
    try {
        const PoolGuard guard(context_);
        if (!context_.shuttingDown && !group.isShutDown() && (!always || group.mayAlwaysRestart())) {
            group.restart(reason);
        }
    } catch (...) {
        if (!always) {
            group.restartFiles().askAgain();
        }
        throw;
    }
    return true;
}

/** Why the files ask for a restart. Null: they do not. */
const char *RestartCheck::reasonOf(Group &group) {
    if (!knowsUser(group)) {
        return nullptr;
    }
    RestartFiles &files = group.restartFiles();
    const bool again = files.seen() == RestartFiles::ASKED;
    if (files.changed()) {
        return again ? UNFINISHED : CHANGED;
    }
    return files.always() ? ALWAYS : nullptr;
}

void RestartCheck::ask(const std::string &name, Done done) {
    if (const std::optional<bool> answer = enlist(name, done)) {
        done(*answer);
    }
}

/** Nothing: a thread will answer. Otherwise the answer, and the caller still has `done`. */
std::optional<bool> RestartCheck::enlist(const std::string &name, Done &done) {
    const PoolGuard guard(context_);
    const GroupPtr group = context_.shuttingDown ? nullptr : groups_.share(name);
    if (!group) {
        return true;
    }
    const auto [found, fresh] = asked_.try_emplace(group.get());
    if (fresh) {
        try {
            context_.threads.run("restart check", [this, group] { answer(group); });
        } catch (const std::exception &error) {
            asked_.erase(found);
            Log::error("event=restart.check_failed error=\"{}\"", error.what());
            return false;
        }
    }
    found->second.push_back(std::move(done));
    return std::nullopt;
}

/** In a background thread: looks until there are no more questions. */
void RestartCheck::answer(const GroupPtr &group) {
    for (;;) {
        std::vector<Done> questions;
        {
            const PoolGuard guard(context_);
            const auto found = asked_.find(group.get());
            questions.swap(found->second);
            if (questions.empty()) {
                asked_.erase(found);
                return;
            }
        }
        const bool looked = tryCheck(*group);
        for (const Done &done : questions) {
            done(looked);
        }
    }
}

/** One application's failure keeps no other one from its restart. */
bool RestartCheck::tryCheck(Group &group) noexcept {
    try {
        return check(group);
    } catch (const std::exception &error) {
        Log::error("event=restart.check_failed error=\"{}\"", error.what());
        return false;
    }
}

/** If the first start has not come so far, or could not determine the user, tries again. So it does
 *  after a reload that changes what gives the user. */
bool RestartCheck::knowsUser(Group &group) {
    return !group.restartFiles().needsUser() || group.beginRestarts() || group.restartFiles().knowsUser();
}

std::vector<RestartFolder> RestartCheck::folders() const {
    std::vector<RestartFolder> folders;
    for (const GroupPtr &group : started()) {
        if (group->restartFiles().knowsUser()) {
            folders.push_back(group->restartFiles().folder());
        }
    }
    return folders;
}

}  // namespace Passenger
