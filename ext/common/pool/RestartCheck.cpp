#include "pool/RestartCheck.h"

#include <exception>

namespace Passenger {

std::vector<Group *> RestartCheck::all() const {
    const PoolGuard guard(context_);
    return groups_.all();
}

void RestartCheck::check() {
    const LockGuard one(mutex_);
    check(all());
}

void RestartCheck::check(const Options &options) {
    const LockGuard one(mutex_);
    std::vector<Group *> groups;
    {
        const PoolGuard guard(context_);
        if (Group *group = groups_.find(options)) {
            groups.push_back(group);
        }
    }
    check(groups);
}

void RestartCheck::check(const std::vector<Group *> &groups) {
    std::vector<Group *> changed;
    std::vector<Group *> always;
    for (Group *group : groups) {
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
    for (Group *group : changed) {
        group->restart();
    }
    for (Group *group : always) {
        if (group->mayAlwaysRestart()) {
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
    for (Group *group : all()) {
        if (group->restartFiles().knowsRights()) {
            folders.push_back(group->restartFiles().folder());
        }
    }
    return folders;
}

}  // namespace Passenger
