#include "spawning/BootLimits.h"

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/Poll.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

/** On a machine without free time a process with low priority hardly gets on, and it may have
 *  locks that others wait for. */
constexpr std::chrono::milliseconds LONGEST_LOW{20000};

}  // namespace

BootLimits::BootLimits(const Options &options, LimitCounts &counts) : options_(options), counts_(counts) {}

/** The process waits, so the pid is still its own. */
std::uint64_t BootLimits::begin(AppGroup &group, pid_t pid) {
    try {
        const Placed placed = group.place(openPidFd(pid), options_);
        tasks_ = placed.taskLimit;
        if (placed.isLowered) {
            lowUntil_ = deadlineIn(std::min(std::chrono::milliseconds(options_.startTimeout) / 2, LONGEST_LOW));
        }
    } catch (const SystemException &error) {
        Log::warn("event=cgroups.not_placed app=\"{}\" pid={} error=\"{}\"", options_.groupName(), pid, error.what());
    }
    return tasks_;
}

void BootLimits::end(const SpawnedProcess &process) {
    if (tasks_ == 0 && !lowUntil_) {
        return;
    }
    try {
        Rights::ofThisProcess().endBoot(process.pidFd());
        lowUntil_.reset();
    } catch (const std::exception &error) {
        if (lowUntil_) {
            throw;
        }
        Log::warn("event=spawn.limit_stays app=\"{}\" pid={} directive=PassengerMaxBootProcesses error=\"{}\"",
                  options_.groupName(), process.pid(), error.what());
    }
}

std::string BootLimits::tooManyTasks(const SpawnedProcess &process) const {
    if (tasks_ == 0 || process.uid() == 0) {
        return "";
    }
    try {
        const std::uint64_t tasks = Rights::ofThisProcess().tasksOf(process.uid());
        if (tasks < tasks_) {
            return "";
        }
        counts_.bootsLimited++;
        Log::warn("event=spawn.process_limit app=\"{}\" processes={} limit={} directive=PassengerMaxBootProcesses",
                  options_.groupName(), tasks, tasks_);
        return fmt::format("; its user had {} processes and threads, as many as PassengerMaxBootProcesses {} allows",
                           tasks, options_.maxBootProcesses);
    } catch (const std::exception &error) {
        Log::info("event=spawn.facts_unknown pid={} error=\"{}\"", process.pid(), error.what());
        return "";
    }
}

}  // namespace Passenger
