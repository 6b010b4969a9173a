#include "pool/MemoryCheck.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds INTERVAL{5};
constexpr std::uint64_t MEGABYTE = 1024 * 1024;

}  // namespace

MemoryCheck::MemoryCheck(PoolContext &context, const Groups &groups, Measure measure)
    : context_(context), groups_(groups), measure_(std::move(measure)) {
    if (measure_) {
        const PoolGuard guard(context_);
        context_.nextMemoryCheck = MonotonicTime();
    }
}

void MemoryCheck::startIfDue(MonotonicTime now) {
    if (!context_.nextMemoryCheck || now < *context_.nextMemoryCheck || context_.shuttingDown) {
        return;
    }
    context_.nextMemoryCheck = now + INTERVAL;
    const bool needed = std::any_of(groups_.all().begin(), groups_.all().end(),
                                    [](const Group *group) REQUIRES(poolLock) { return group->isMeasured(); });
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
    std::vector<std::pair<Group *, ProcessPtr>> processes;
    {
        const PoolGuard guard(context_);
        for (Group *group : groups_.all()) {
            if (!group->isMeasured()) {
                continue;
            }
            for (const ProcessPtr &process : group->instances().all()) {
                processes.emplace_back(group, process);
            }
        }
    }
    for (auto &[group, process] : processes) {
        const std::optional<std::uint64_t> bytes = measure_(*process);
        const PoolGuard guard(context_);
        if (bytes && !context_.shuttingDown) {
            judge(*group, *process, *bytes);
        }
    }
}

void MemoryCheck::judge(Group &group, Process &process, std::uint64_t bytes) {
    const Options &options = group.options();
    const std::uint64_t megabytes = bytes / MEGABYTE;
    process.memory = bytes;
    if (options.hardMemoryLimit > 0 && bytes > options.hardMemoryLimit * MEGABYTE && process.pid() > 0) {
        Log::warn(
            "event=instance.killed app=\"{}\" pid={} reason=\"it uses {} MB of memory (PassengerHardMemoryLimit {})\"",
            group.name(), process.pid(), megabytes, options.hardMemoryLimit);
        process.kill();
    } else if (options.memoryLimit > 0 && bytes > options.memoryLimit * MEGABYTE) {
        group.requestReplacement(
            process, fmt::format("it uses {} MB of memory (PassengerMemoryLimit {})", megabytes, options.memoryLimit));
    }
}

}  // namespace Passenger
