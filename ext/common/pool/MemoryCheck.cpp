#include "pool/MemoryCheck.h"

#include <algorithm>
#include <exception>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds INTERVAL{5};
/** While half of a memory budget is used. */
constexpr std::chrono::seconds SHORT_INTERVAL{1};
/** The kernel reads all page tables of an instance. Measuring takes one part of the time then. */
constexpr int PARTS_OF_THE_TIME = 20;
/** Between two lines about instances that cannot be measured. */
constexpr std::chrono::minutes LINE_INTERVAL{10};
/** An application that is above its limit after its start would boot without end. */
constexpr std::chrono::minutes YOUNG{1};

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
    const auto near = std::clamp<std::chrono::nanoseconds>(took_ * PARTS_OF_THE_TIME, SHORT_INTERVAL, INTERVAL);
    room_.setNextCheck(now + (room_.isNear() || running_ ? near : INTERVAL));
    const bool needed =
        std::any_of(groups_.all().begin(), groups_.all().end(),
                    [this](Group *group) REQUIRES(poolLock) { return room_.isMeasured(group->scaler()); });
    if (!needed || running_) {
        return;
    }
    try {
        context_.threads.run("memory", [this] {
            try {
                check();
            } catch (const std::exception &error) {
                Log::error("event=memory.check_failed error=\"{}\"", error.what());
            }
            const PoolGuard guard(context_);
            running_ = false;
        });
        running_ = true;
    } catch (const std::exception &error) {
        Log::error("event=memory.check_failed error=\"{}\"", error.what());
    }
}

void MemoryCheck::check() {
    if (!measure_) {
        return;
    }
    const MonotonicTime begin = context_.clock.now();
    std::vector<std::pair<Group *, ProcessPtr>> processes;
    {
        const PoolGuard guard(context_);
        for (Group *group : groups_.all()) {
            if (!room_.isMeasured(group->scaler())) {
                continue;
            }
            for (const ProcessPtr &process : group->instances().all()) {
                processes.emplace_back(group, process);
            }
        }
    }
    for (auto &[group, process] : processes) {
        const std::optional<ProcessMemory> memory = measure(*process);
        const PoolGuard guard(context_);
        // It may have ended meanwhile, and its application may be forgotten.
        const bool isGone = group->isShutDown() || process->state() == Process::State::DEAD;
        if (memory && !context_.shuttingDown && !isGone) {
            judge(*group, *process, *memory);
        }
    }
    measurePressure();
    const PoolGuard guard(context_);
    const MonotonicTime now = context_.clock.now();
    took_ = now - begin;
    if (!context_.shuttingDown) {
        room_.relieve(now);
    }
}

std::optional<ProcessMemory> MemoryCheck::measure(const Process &process) {
    try {
        return measure_(process);
    } catch (const std::exception &error) {
        const MonotonicTime now = context_.clock.now();
        if (now >= quietUntil_) {
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
