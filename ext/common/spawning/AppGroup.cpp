#include "spawning/AppGroup.h"

#include <unistd.h>

#include <exception>

#include "base/SystemClock.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

std::string lastPart(const std::string &path) {
    return path.substr(path.rfind('/') + 1);
}

/** A group that is made anew counts from 0. */
std::uint64_t less(std::uint64_t now, std::uint64_t before) {
    return now > before ? now - before : 0;
}

}  // namespace

AppGroup::~AppGroup() {
    look();
    if (const std::string name = this->name(); !name.empty() && !shared_->kept.load()) {
        Rights::ofThisProcess().endGroup(name);
    }
}

std::string AppGroup::name() const {
    const LockGuard guard(mutex_);
    return name_;
}

std::string AppGroup::path() const {
    const LockGuard guard(mutex_);
    return path_;
}

void AppGroup::look() noexcept {
    try {
        const LockGuard guard(mutex_);
        if (path_.empty()) {
            return;
        }
        const CgroupEvents now = Cgroups::eventsIn(path_);
        const CgroupEvents fresh{less(now.memoryKills, seen_.memoryKills), less(now.memoryReached, seen_.memoryReached),
                                 less(now.tasksRefused, seen_.tasksRefused)};
        if (fresh == CgroupEvents()) {
            return;
        }
        seen_ = now;
        shared_->events.add(app_, fresh);
        log("PassengerMemoryMax", fresh.memoryKills, "processes that the kernel has killed");
        log("PassengerTasksMax", fresh.tasksRefused, "processes and threads that the kernel has refused");
    } catch (const std::exception &) {
        // No memory. The next look finds it.
    }
}

void AppGroup::log(const char *directive, std::uint64_t count, const char *what) {
    if (count > 0 && lines_.allows(SystemClock::instance().now())) {
        Log::warn("event=cgroups.limit_reached app=\"{}\" group=\"{}\" directive={} count={} note=\"{}\"", app_, name_,
                  directive, count, what);
    }
}

std::uint64_t AppGroup::joinGroup(const FileDescriptor &pidFd, const Options &options) {
    GroupRequest wanted;
    wanted.label = lastPart(options.appRoot);
    wanted.limits = {options.memoryMax, options.cpuWeight, options.tasksMax};
    wanted.bootTasks = options.maxBootProcesses;
    wanted.pool = ::getpid();
    const LockGuard placing(placing_);
    wanted.group = name();
    try {
        const GroupJoined joined = Rights::ofThisProcess().joinGroup(pidFd, wanted);
        if (wanted.group != joined.group) {
            Log::info("event=cgroups.made app=\"{}\" group=\"{}\"", app_, joined.group);
        }
        const LockGuard guard(mutex_);
        if (problems_ != joined.problems) {
            // The first process, or a reload of httpd has changed the limits.
            for (const std::string &problem : joined.problems) {
                Log::warn("event=cgroups.limit_without_effect app=\"{}\" error=\"{}\"", app_, problem);
            }
            problems_ = joined.problems;
        }
        if (path_.empty() && !wanted.group.empty()) {
            // An earlier pool process has made the group, and has told what happened in it.
            seen_ = Cgroups::eventsIn(joined.path);
        }
        name_ = joined.group;
        path_ = joined.path;
        return joined.taskLimit;
    } catch (const std::exception &error) {
        Log::warn("event=cgroups.not_placed app=\"{}\" error=\"{}\"", app_, error.what());
        return 0;
    }
}

}  // namespace Passenger
