#include "commands/MemorySections.h"

#include <sys/types.h>

#include <exception>
#include <set>
#include <string>
#include <utility>

#include "base/Lists.h"
#include "commands/ProcessList.h"

namespace Passenger {

namespace {

/** Takes the processes out of `all`, so that each is listed once, and measures them. */
MemorySection section(std::string title, bool isApp, const std::vector<pid_t> &roots, std::vector<ListedProcess> &all) {
    MemorySection made{std::move(title), isApp, familyOf(roots, all)};
    for (ListedProcess &process : made.processes) {
        process.memory = processMemory(process.pid);
        std::erase_if(all, [&process](const ListedProcess &one) { return one.pid == process.pid; });
    }
    return made;
}

/** The applications that this user may see; none if no agent answers. */
std::vector<AppStatus> appsOf(const RunningAgent &agent) {
    try {
        return agent.connect().status().apps;
    } catch (const std::exception &) {
        return {};
    }
}

}  // namespace

std::vector<MemorySection> memorySections(const std::vector<RunningAgent> &agents, bool withHttpd) {
    auto all = listProcesses();
    std::vector<MemorySection> apps;
    std::vector<pid_t> watchdogs;
    std::set<pid_t> httpds;
    for (const RunningAgent &agent : agents) {
        for (const AppStatus &app : appsOf(agent)) {
            const auto pidOf = [](const InstanceStatus &instance) { return static_cast<pid_t>(instance.pid); };
            apps.push_back(section(app.name, true, listOf(app.instances, pidOf), all));
        }
        watchdogs.push_back(agent.watchdogPid);
        httpds.insert(agent.httpdPid);
    }
    // The agent's own, and preloaders and spawn servers.
    const MemorySection own = section("Passenger processes", false, watchdogs, all);
    std::vector<MemorySection> sections;
    if (withHttpd) {
        sections.push_back(section("Apache processes", false, {httpds.begin(), httpds.end()}, all));
        sections.back().showsParents = true;
    }
    sections.push_back(own);
    sections.insert(sections.end(), apps.begin(), apps.end());
    return sections;
}

}  // namespace Passenger
