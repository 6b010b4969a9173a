#include "spawning/BootLimits.h"

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include "base/BootPriority.h"
#include "base/CpuTime.h"
#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/Poll.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

/** A process with low priority may have locks that others wait for. */
constexpr std::chrono::milliseconds LONGEST_LOW{20000};
constexpr std::chrono::milliseconds BETWEEN_LOOKS{2000};
/** On a machine without free time a process with low priority hardly gets on. So little time
 *  between two looks is too little for one that wants more. */
constexpr std::chrono::milliseconds LITTLE_TIME{BETWEEN_LOOKS / 5};

}  // namespace

BootLimits::BootLimits(const Options &options, LimitCounts &counts) : options_(options), counts_(counts) {}

/** The process waits, so the pid is still its own. */
std::uint64_t BootLimits::begin(AppGroup &group, pid_t pid) {
    try {
        tasks_ = group.joinGroup(openPidFd(pid), options_);
    } catch (const SystemException &error) {
        Log::warn("event=cgroups.not_placed app=\"{}\" pid={} error=\"{}\"", options_.groupName(), pid, error.what());
    }
    return tasks_;
}

void BootLimits::lower(const SpawnedProcess &process) {
    if (!options_.othersServe) {
        return;
    }
    lowUntil_ = deadlineIn(std::min(std::chrono::milliseconds(options_.startTimeout) / 2, LONGEST_LOW));
    nextLook_ = deadlineIn(BETWEEN_LOOKS);
    ran_ = cpuTimeOfFamily(process.pid()).value_or(ran_);
    try {
        Rights::ofThisProcess().setPriority(process.pidFd(), true);
    } catch (const std::exception &) {
        // It may have ended, which the next step tells. If only the answer is lost, it is low.
    }
}

void BootLimits::check(const SpawnedProcess &process) {
    if (deadlineIn(std::chrono::milliseconds(0)) >= lowUntil_) {
        raise(process);
        return;
    }
    const auto ran = cpuTimeOfFamily(process.pid());
    if (const char *reason = reasonToRaise(process, ran)) {
        Log::info("event=spawn.priority_raised app=\"{}\" pid={} reason=\"{}\"", options_.groupName(), process.pid(),
                  reason);
        raise(process);
        return;
    }
    ran_ = ran.value_or(ran_);
    nextLook_ = deadlineIn(BETWEEN_LOOKS);
}

/** @param ran cpuTimeOfFamily() @return null: there is none */
const char *BootLimits::reasonToRaise(const SpawnedProcess &process,
                                      std::optional<std::chrono::nanoseconds> ran) const {
    if (options_.othersStillServe && !*options_.othersStillServe) {
        return "no instance of the application serves any more";
    }
    if (!ran) {
        // With hidepid /proc tells this process nothing of those of other users.
        const bool lives = !waitPidFd(process.pidFd(), std::chrono::milliseconds(0));
        return lives ? "its use of the processors is unknown" : nullptr;
    }
    const bool lacksTime = *ran - ran_ < LITTLE_TIME && BootPriority::wantsProcessor(process.pid());
    return lacksTime ? "the processors have no free time for it" : nullptr;
}

void BootLimits::raise(const SpawnedProcess &process) {
    if (lowUntil_) {
        Rights::ofThisProcess().setPriority(process.pidFd(), false);
        lowUntil_.reset();
    }
}

void BootLimits::end(const SpawnedProcess &process) {
    raise(process);
    if (tasks_ == 0) {
        return;
    }
    try {
        Rights::ofThisProcess().endBoot(process.pidFd());
    } catch (const std::exception &error) {
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
