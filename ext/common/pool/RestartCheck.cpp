#include "pool/RestartCheck.h"

#include <exception>
#include <utility>

namespace Passenger {

std::vector<RestartCheck::GroupPtr> RestartCheck::all() const {
    const PoolGuard guard(context_);
    return groups_.share();
}

void RestartCheck::check() {
    const LockGuard one(mutex_);
    check(all());
}

void RestartCheck::check(const Options &options) {
    const LockGuard one(mutex_);
    std::vector<GroupPtr> groups;
    {
        const PoolGuard guard(context_);
        if (GroupPtr group = groups_.share(options)) {
            groups.push_back(std::move(group));
        }
    }
    check(groups);
}

void RestartCheck::check(const std::vector<GroupPtr> &groups) {
    std::vector<GroupPtr> changed;
    std::vector<GroupPtr> always;
    for (const GroupPtr &group : groups) {
        try {
            if (!knowsRights(*group)) {
                continue;
            }
            if (group->restartFiles().changed()) {
                changed.push_back(group);
            } else if (group->restartFiles().always()) {
                always.push_back(group);
            }
        } catch (const std::exception &) {
            // The rights of the application's user cannot be taken. Its starts fail for that, and
            // log it. Other applications must not suffer.
            continue;
        }
    }
    const PoolGuard guard(context_);
    if (context_.shuttingDown) {
        return;
    }
    for (const GroupPtr &group : changed) {
        if (!group->isShutDown()) {
            group->restart();
        }
    }
    for (const GroupPtr &group : always) {
        if (!group->isShutDown() && group->mayAlwaysRestart()) {
            group->restart();
        }
    }
}

/** If the first start has not come so far, or could not determine the user, tries again. */
bool RestartCheck::knowsRights(Group &group) {
    if (group.restartFiles().knowsRights()) {
        return true;
    }
    Options options;
    {
        const PoolGuard guard(context_);
        options = group.options();
    }
    return group.beginRestarts(options);
}

std::vector<RestartFolder> RestartCheck::folders() const {
    std::vector<RestartFolder> folders;
    for (const GroupPtr &group : all()) {
        if (group->restartFiles().knowsRights()) {
            folders.push_back(group->restartFiles().folder());
        }
    }
    return folders;
}

}  // namespace Passenger
