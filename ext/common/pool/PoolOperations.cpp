// Pool: what people order and ask.

#include "pool/Pool.h"

namespace Passenger {

void Pool::configure(const PoolSettings &settings) {
    const PoolGuard guard(context_);
    context_.settings = settings;
    room_.trim();
    for (Group *group : bySlot_) {
        group->rescale();
    }
}

void Pool::setMax(unsigned max) {
    const PoolGuard guard(context_);
    context_.settings.maxSize = max;
    room_.trim();
    room_.mayHaveCome();
}

unsigned Pool::getActive() const {
    const PoolGuard guard(context_);
    unsigned sum = 0;
    for (const Group *group : bySlot_) {
        sum += group->queue().claims().taken();
    }
    return sum;
}

unsigned Pool::getCount() const {
    const PoolGuard guard(context_);
    unsigned sum = 0;
    for (const Group *group : bySlot_) {
        sum += group->instances().living();
    }
    return sum;
}

pid_t Pool::getSpawnServerPid() const {
    return context_.factory.spawnServerPid();
}

void Pool::clear() {
    const PoolGuard guard(context_);
    for (Group *group : bySlot_) {
        group->clear();
    }
    room_.mayHaveCome();
}

std::shared_ptr<const Report> Pool::report(std::string_view id, std::string_view app) const {
    const PoolGuard guard(context_);
    const std::shared_ptr<const Report> found = context_.reports.find(id);
    return found && found->app == app ? found : nullptr;
}

PoolSnapshot Pool::inspect() const {
    const PoolGuard guard(context_);
    const MonotonicTime now = context_.clock.now();
    PoolSnapshot snapshot;
    snapshot.maxSize = context_.settings.maxSize;
    snapshot.size = room_.size();
    snapshot.waitingForRoom = room_.wishes();
    snapshot.superGroups.reserve(bySlot_.size());
    for (const Group *group : bySlot_) {
        SuperGroupSnapshot &superGroup = snapshot.superGroups.emplace_back();
        superGroup.name = group->name();
        superGroup.groups.push_back(group->inspect(now));
    }
    return snapshot;
}

std::map<std::string, std::vector<pid_t>> Pool::instances() const {
    const PoolGuard guard(context_);
    std::map<std::string, std::vector<pid_t>> all;
    for (const Group *group : bySlot_) {
        all[group->name()] = group->instances().pids();
    }
    return all;
}

bool Pool::restart(const std::string &name) {
    const PoolGuard guard(context_);
    const auto found = superGroups_.find(name);
    if (found == superGroups_.end() || context_.shuttingDown) {
        return false;
    }
    found->second->group().restart();
    return true;
}

/** Calls `what` for the instance. False: there is no such instance. */
bool Pool::order(InstanceId instance, const Order &what) {
    bool known = false;
    {
        const PoolGuard guard(context_);
        for (auto group = bySlot_.begin(); group != bySlot_.end() && !known; ++group) {
            if (const ProcessPtr process = (*group)->instances().find(instance)) {
                known = true;
                what(**group, process);
            }
        }
    }
    return known;
}

bool Pool::detach(InstanceId instance) {
    return order(instance, [](Group &group, const ProcessPtr &process) REQUIRES(poolLock) { group.detach(process); });
}

Pool::Disabling Pool::disable(InstanceId instance) {
    Disabling outcome = Disabling::UNKNOWN_INSTANCE;
    order(instance, [&](Group &group, const ProcessPtr &process) REQUIRES(poolLock) {
        outcome = group.disable(process) ? Disabling::DONE : Disabling::LAST_ONE;
    });
    return outcome;
}

bool Pool::enable(InstanceId instance) {
    return order(instance, [](Group &group, const ProcessPtr &process) REQUIRES(poolLock) { group.enable(process); });
}

}  // namespace Passenger
