#include "spawning/AppGroups.h"

namespace Passenger {

AppGroupPtr AppGroups::of(const Options &options, uid_t user) {
    const LockGuard guard(mutex_);
    std::erase_if(groups_, [](const auto &known) { return known.second.expired(); });
    std::weak_ptr<AppGroup> &known = groups_[{options.groupName(), user}];
    AppGroupPtr group = known.lock();
    if (!group) {
        group = std::make_shared<AppGroup>(options.groupName(), kept_, "");
        known = group;
    }
    return group;
}

AppGroupPtr AppGroups::named(const std::string &app, const std::string &name) {
    const LockGuard guard(mutex_);
    std::weak_ptr<AppGroup> &known = named_[name];
    AppGroupPtr group = known.lock();
    if (!group) {
        group = std::make_shared<AppGroup>(app, kept_, name);
        known = group;
    }
    return group;
}

void AppGroups::adopt(const Options &options, uid_t user, const AppGroupPtr &group) {
    const LockGuard guard(mutex_);
    std::weak_ptr<AppGroup> &known = groups_[{options.groupName(), user}];
    if (known.expired()) {
        known = group;
    }
}

std::vector<std::string> AppGroups::names() const {
    const LockGuard guard(mutex_);
    std::vector<std::string> names;
    for (const auto &[name, group] : named_) {
        if (!group.expired()) {
            names.push_back(name);
        }
    }
    return names;
}

}  // namespace Passenger
