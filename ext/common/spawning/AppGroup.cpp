#include "spawning/AppGroup.h"

#include <unistd.h>

#include <exception>

#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

std::string lastPart(const std::string &path) {
    return path.substr(path.rfind('/') + 1);
}

}  // namespace

AppGroup::~AppGroup() {
    if (const std::string name = this->name(); !name.empty() && !kept_->load()) {
        Rights::ofThisProcess().endGroup(name);
    }
}

std::string AppGroup::name() const {
    const LockGuard guard(mutex_);
    return name_;
}

std::uint64_t AppGroup::place(const FileDescriptor &pidFd, const Options &options) {
    Placement placement;
    placement.label = lastPart(options.appRoot);
    placement.limits = {options.memoryMax, options.cpuWeight, options.tasksMax};
    placement.bootTasks = options.maxBootProcesses;
    placement.pool = ::getpid();
    const LockGuard placing(placing_);
    placement.group = name();
    try {
        const Placed placed = Rights::ofThisProcess().place(pidFd, placement);
        if (placement.group != placed.group) {
            Log::info("event=cgroups.made app=\"{}\" group=\"{}\"", app_, placed.group);
            for (const std::string &problem : placed.problems) {
                Log::warn("event=cgroups.limit_without_effect app=\"{}\" error=\"{}\"", app_, problem);
            }
            const LockGuard guard(mutex_);
            name_ = placed.group;
        }
        return placed.taskLimit;
    } catch (const std::exception &error) {
        Log::warn("event=cgroups.not_placed app=\"{}\" error=\"{}\"", app_, error.what());
        return 0;
    }
}

}  // namespace Passenger
