#include "commands/SizingCommand.h"

#include <fmt/format.h>
#include <linux/capability.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/CpuQuota.h"
#include "base/FileContent.h"
#include "base/Lists.h"
#include "base/ProcessMemory.h"
#include "base/Processors.h"
#include "base/Split.h"
#include "base/ThreadCapabilities.h"
#include "base/WholeNumber.h"
#include "commands/AgentFinder.h"
#include "commands/CommandFailure.h"
#include "commands/CommandLimit.h"
#include "commands/MemorySections.h"
#include "commands/Sizing.h"
#include "commands/SystemMetrics.h"

namespace Passenger {

namespace {

/** An instance that takes more requests at once has an event loop, and no limit of its own. Such a
 *  one is sized for so many. */
constexpr unsigned MOST_THREADS = 1024;
constexpr unsigned EVENT_LOOP_REQUESTS = 32;
/** Of each number that the user names. */
constexpr std::uint64_t MOST = 1000000000;
/** The control group's own folder, as a container sees it (cgroup v2, kernel documentation). */
constexpr const char *CGROUP = "/sys/fs/cgroup/";

/** @param pool the pool process, whose control group may have a quota; nothing: this process */
unsigned usableCores(std::optional<std::int64_t> pool) {
    const auto cores = static_cast<unsigned>(processorsOf(static_cast<pid_t>(pool.value_or(0))).size());
    return wholeProcessors(pool ? CgroupFiles::of(*pool) : CgroupFiles(), cores);
}

/** Memory that processes have, and that the kernel cannot free without swapping. */
std::uint64_t usedMemory(const SystemMetrics &metrics, bool inGroup) {
    const auto value = [&metrics](const char *name) {
        const auto found = metrics.memory.find(name);
        return found == metrics.memory.end() ? 0 : found->second;
    };
    if (!inGroup) {
        return value("MemTotal") - std::min(value("MemTotal"), value("MemAvailable"));
    }
    const std::string statistics = fileContent(std::string(CGROUP) + "memory.stat");
    return wholeNumber<std::uint64_t>(afterLabel(statistics, "anon ")).value_or(0);
}

SizingMachine thisMachine(std::uint64_t ofPassenger, std::optional<std::int64_t> pool) {
    const SystemMetrics metrics = SystemMetrics::now();
    const auto total = metrics.memory.find("MemTotal");
    SizingMachine machine;
    machine.memory = total == metrics.memory.end() ? 0 : total->second;
    machine.cores = usableCores(pool);
    std::istringstream limit(fileContent(std::string(CGROUP) + "memory.max"));
    std::uint64_t bytes = 0;
    const bool inGroup = limit >> bytes && bytes < machine.memory;
    if (inGroup) {
        machine.memory = bytes;
    }
    const std::uint64_t used = usedMemory(metrics, inGroup);
    machine.others = used - std::min(used, ofPassenger);
    return machine;
}

SizingApp appOf(const AppStatus &status, const std::vector<MemorySection> &sections) {
    SizingApp app;
    app.name = status.name;
    app.instances = static_cast<unsigned>(status.instances.size());
    app.queueLimit = status.queue.limit;
    for (const InstanceStatus &instance : status.instances) {
        const bool hasLoop = instance.concurrency > MOST_THREADS;
        const unsigned most = hasLoop ? EVENT_LOOP_REQUESTS : instance.concurrency;
        app.concurrency = std::max(app.concurrency, most);
    }
    const auto section = std::find_if(sections.begin(), sections.end(), [&status](const MemorySection &one) {
        return one.isApp && one.title == status.name;
    });
    if (section == sections.end() || app.instances == 0) {
        return app;
    }
    app.privateMemory = section->sum().unshared() / app.instances;
    return app;
}

/** The applications of the agent, and what it takes beside the private memory of instances. */
struct MeasuredServer {
    std::vector<SizingApp> apps;
    std::uint64_t all = 0;
    std::uint64_t shared = 0;
    unsigned maxPoolSize = 0;
    std::optional<std::int64_t> pool{};
};

MeasuredServer measure(const Arguments &arguments) {
    const RunningAgent agent = AgentFinder(arguments).choose(arguments.value("instance"));
    const ServerStatus status = agent.connect().status();
    const auto sections = memorySections({agent}, true);
    const bool complete =
        std::all_of(sections.begin(), sections.end(), [](const MemorySection &section) { return section.complete(); });
    // What such a process cannot measure has ended.
    if (!complete && !hasCapability(CAP_SYS_PTRACE)) {
        throw CommandFailureException(
            "this user may not measure the processes of other users. Root with CAP_SYS_PTRACE may: sudo "
            "passenger-config sizing");
    }
    MeasuredServer measured;
    measured.maxPoolSize = status.maxPoolSize;
    measured.pool = agent.poolPid;
    measured.apps = listOf(status.apps, [&](const AppStatus &app) { return appOf(app, sections); });
    for (const MemorySection &section : sections) {
        const std::uint64_t memory = section.sum().proportional;
        measured.all += memory;
        measured.shared += memory - (section.isApp ? std::min(memory, section.sum().unshared()) : 0);
    }
    const bool known = std::any_of(measured.apps.begin(), measured.apps.end(),
                                   [](const SizingApp &app) { return app.privateMemory > 0; });
    if (!known) {
        throw CommandFailureException(
            "no instance of an application is running: send each application some requests first, or plan with "
            "--instance-memory MB");
    }
    return measured;
}

}  // namespace

int recommendSizes(const Arguments &arguments) {
    if (const std::optional<int> status = limitCommand()) {
        return *status;
    }
    // Wrong numbers are found before anything is measured.
    const auto memory = arguments.number("memory", 1, MOST, "a number of MB");
    const auto cores = arguments.number("cores", 1, MOST, "a number of cores");
    const auto instance = arguments.number("instance-memory", 1, MOST, "a number of MB");
    const auto requests = arguments.number("instance-requests", 1, MOST, "a number of requests");
    MeasuredServer server;
    if (instance) {
        SizingApp planned;
        planned.name = "(planned)";
        planned.privateMemory = *instance * MEGABYTE;
        // The default of PassengerMaxRequestQueueSize.
        planned.queueLimit = 100;
        server.apps.push_back(std::move(planned));
    } else {
        server = measure(arguments);
    }
    if (requests) {
        for (SizingApp &app : server.apps) {
            app.concurrency = static_cast<unsigned>(std::min<std::uint64_t>(*requests, 1024));
        }
    }
    SizingMachine machine = thisMachine(server.all, server.pool);
    machine.shared = server.shared;
    if (memory) {
        machine.memory = *memory * MEGABYTE;
        // Another machine runs other programs.
        machine.others = 0;
    }
    if (cores) {
        machine.cores = static_cast<unsigned>(std::min<std::uint64_t>(*cores, 100000));
    }
    const Sizing sizing(machine, server.apps);
    fmt::print("{}",
               arguments.has("json") ? sizingJson(sizing, server.maxPoolSize) : sizingForm(sizing, server.maxPoolSize));
    return ExitStatus::DONE;
}

}  // namespace Passenger
