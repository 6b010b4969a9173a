#include "spawning/AppGroups.h"

#include "rights/Cgroups.h"

namespace Passenger {

AppGroupPtr AppGroups::of(const Options &options, uid_t user) {
    const LockGuard guard(mutex_);
    std::erase_if(groups_, [](const auto &known) { return known.second.expired(); });
    std::weak_ptr<AppGroup> &known = groups_[{options.groupName(), user}];
    AppGroupPtr group = known.lock();
    if (!group) {
        group = std::make_shared<AppGroup>(options.groupName(), shared_, "");
        known = group;
    }
    return group;
}

AppGroupPtr AppGroups::named(const std::string &app, const std::string &name) {
    const LockGuard guard(mutex_);
    std::erase_if(named_, [](const auto &one) { return one.second.expired(); });
    std::weak_ptr<AppGroup> &known = named_[name];
    AppGroupPtr group = known.lock();
    if (!group) {
        group = std::make_shared<AppGroup>(app, shared_, name);
        known = group;
    }
    if (const auto user = Cgroups::userOf(name)) {
        std::weak_ptr<AppGroup> &joined = groups_[{app, *user}];
        if (joined.expired()) {
            joined = group;
        }
    }
    return group;
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

CgroupEvents AppGroups::eventsOf(const std::string &app) {
    std::vector<AppGroupPtr> groups;
    {
        const LockGuard guard(mutex_);
        for (auto known = groups_.lower_bound({app, 0}); known != groups_.end() && known->first.first == app; ++known) {
            groups.push_back(known->second.lock());
        }
    }
    for (const AppGroupPtr &group : groups) {
        if (group) {
            group->look();
        }
    }
    return shared_->events.of(app).value_or(CgroupEvents());
}

}  // namespace Passenger
