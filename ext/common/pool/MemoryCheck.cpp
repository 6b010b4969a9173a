#include "pool/MemoryCheck.h"

#include <algorithm>
#include <exception>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/CpuTime.h"
#include "base/ProcessTree.h"
#include "control/InstanceStatus.h"
#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds INTERVAL{5};
/** While half of a memory budget is used. */
constexpr std::chrono::seconds SHORT_INTERVAL{1};
/** The kernel reads all page tables of an instance. Measuring takes one part of the time then. */
constexpr int PARTS_OF_THE_TIME = 20;
/** The longest pause for that. */
constexpr std::chrono::minutes LONGEST_REST{5};
/** Between two lines about instances that cannot be measured. */
constexpr std::chrono::minutes LINE_INTERVAL{10};
/** An application that is above its limit after its start would boot without end. */
constexpr std::chrono::minutes YOUNG{1};

/** The CPU time, with that of living descendants if the application runs in them. */
InstanceStatus timesOf(const Process &process) {
    InstanceStatus times;
    const pid_t pid = process.pid();
    std::chrono::nanoseconds cpuTime = cpuTimeOf(pid).value_or(std::chrono::nanoseconds(0));
    times.processAge = inSeconds(ageOf(pid));
    if (process.parts().hasDescendants) {
        times.applicationPid = applicationOf(pid);
        for (const pid_t descendant : descendantsOf(pid)) {
            cpuTime += cpuTimeOf(descendant).value_or(std::chrono::nanoseconds(0));
        }
    }
    times.cpuTime = inSeconds(cpuTime);
    return times;
}

}  // namespace

MemoryCheck::MemoryCheck(PoolContext &context, const Groups &groups, MemoryRoom &room, Measure measure,
                         Pressure pressure)
    : context_(context), groups_(groups), room_(room), measure_(std::move(measure)), pressure_(std::move(pressure)) {
    if (measure_) {
        const PoolGuard guard(context_);
        room_.setNextCheck(MonotonicTime());
    }
}

void MemoryCheck::startIfDue(MonotonicTime now) {
    if (!room_.isCheckDue(now) || context_.shuttingDown) {
        return;
    }
    const auto near = std::clamp<std::chrono::nanoseconds>(limited_.took * PARTS_OF_THE_TIME, SHORT_INTERVAL, INTERVAL);
    room_.setNextCheck(now + (room_.isNear() || limited_.runs ? near : INTERVAL));
    const bool needed =
        std::any_of(groups_.all().begin(), groups_.all().end(),
                    [this](Group *group) REQUIRES(poolLock) { return room_.isJudged(group->scaler()); });
    if (needed) {
        start(limited_, &MemoryCheck::check);
    }
}

void MemoryCheck::refresh(std::chrono::nanoseconds oldest) {
    // A round is also long where the machine is busy.
    const auto pause = std::min<std::chrono::nanoseconds>(others_.took * PARTS_OF_THE_TIME, LONGEST_REST);
    if (!others_.began || context_.clock.now() - *others_.began >= std::max(oldest, pause)) {
        start(others_, &MemoryCheck::measureOthers);
    }
}

void MemoryCheck::start(Round &round, void (MemoryCheck::*work)()) {
    if (round.runs || context_.shuttingDown) {
        return;
    }
    round.began = context_.clock.now();
    try {
        context_.threads.run("memory", [this, &round, work] {
            try {
                (this->*work)();
            } catch (const std::exception &error) {
                Log::error("event=memory.check_failed error=\"{}\"", error.what());
            }
            const PoolGuard guard(context_);
            round.runs = false;
            round.took = context_.clock.now() - *round.began;
        });
        round.runs = true;
    } catch (const std::exception &error) {
        Log::error("event=memory.check_failed error=\"{}\"", error.what());
    }
}

void MemoryCheck::check() {
    measureAll(true);
    measurePressure();
    const PoolGuard guard(context_);
    if (!context_.shuttingDown) {
        room_.relieve(context_.clock.now());
    }
}

/** Measures the instances that have a limit, or those that have none. */
void MemoryCheck::measureAll(bool limited) {
    std::vector<std::pair<Group *, ProcessPtr>> processes;
    {
        const PoolGuard guard(context_);
        for (Group *group : groups_.all()) {
            if (room_.isJudged(group->scaler()) != limited) {
                continue;
            }
            for (const ProcessPtr &process : group->instances().all()) {
                processes.emplace_back(group, process);
            }
        }
    }
    for (auto &[group, process] : processes) {
        const InstanceStatus times = timesOf(*process);
        const std::optional<ProcessMemory> memory = measure(*process, limited);
        const PoolGuard guard(context_);
        if (context_.shuttingDown) {
            return;
        }
        // It may have ended meanwhile, and its application may be forgotten.
        if (group->isShutDown() || process->state() == Process::State::DEAD) {
            continue;
        }
        process->noteTimes(times);
        if (memory && limited) {
            judge(*group, *process, *memory);
        } else if (memory) {
            process->noteMemory(*memory, context_.clock.now());
        }
    }
}

/** A failure without consequence is not worth a line. */
std::optional<ProcessMemory> MemoryCheck::measure(const Process &process, bool limited) {
    try {
        return measure_ ? measure_(process) : std::nullopt;
    } catch (const std::exception &error) {
        const MonotonicTime now = context_.clock.now();
        if (limited && now >= quietUntil_) {
            quietUntil_ = now + LINE_INTERVAL;
            Log::warn("event=memory.unknown pid={} error=\"{}\"", process.pid(), error.what());
        }
        return std::nullopt;
    }
}

/** Where there are no budgets, nothing is read. */
void MemoryCheck::measurePressure() {
    std::vector<std::pair<std::uint32_t, AppGroupPtr>> places;
    {
        const PoolGuard guard(context_);
        if (!pressure_ || !room_.isLimited()) {
            return;
        }
        for (Group *group : groups_.all()) {
            if (!group->instances().empty()) {
                places.emplace_back(group->slot(), group->instances().all().back()->parts().group);
            }
        }
    }
    const double server = pressure_("");
    std::map<std::uint32_t, double> apps;
    for (const auto &[slot, place] : places) {
        const std::string path = place ? place->path() : "";
        if (!path.empty()) {
            apps[slot] = pressure_(path);
        }
    }
    const PoolGuard guard(context_);
    room_.notePressure(server, apps);
}

void MemoryCheck::judge(Group &group, Process &process, const ProcessMemory &memory) {
    const Options &options = group.options();
    const std::uint64_t bytes = memory.used();
    const std::uint64_t megabytes = bytes / MEGABYTE;
    const MonotonicTime now = context_.clock.now();
    const bool isFirst = process.memory() == 0;
    room_.noteMemory(group.scaler(), process, memory, now);
    if (options.hardMemoryLimit > 0 && bytes > options.hardMemoryLimit * MEGABYTE && process.pid() > 0) {
        Log::warn(
            "event=instance.killed app=\"{}\" pid={} reason=\"it uses {} MB of memory (PassengerHardMemoryLimit {})\"",
            group.name(), process.pid(), megabytes, options.hardMemoryLimit);
        process.kill();
    } else if (options.memoryLimit == 0 || bytes <= options.memoryLimit * MEGABYTE) {
        return;
    } else if (now - process.since() >= YOUNG) {
        group.requestReplacement(
            process, fmt::format("it uses {} MB of memory (PassengerMemoryLimit {})", megabytes, options.memoryLimit));
    } else if (isFirst && !process.former()) {
        Log::warn("event=instance.large app=\"{}\" pid={} mb={} directive=PassengerMemoryLimit value={}", group.name(),
                  process.pid(), megabytes, options.memoryLimit);
    }
}

}  // namespace Passenger
