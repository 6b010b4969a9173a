#include "commands/MemoryProgram.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <iterator>
#include <set>
#include <utility>

#include "commands/AgentFinder.h"
#include "commands/Arguments.h"
#include "commands/CommandFailure.h"
#include "commands/CommandHelp.h"
#include "commands/MemoryForm.h"
#include "commands/ProcessList.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

constexpr const char *PROGRAM = "passenger-memory-stats";

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

std::vector<MemorySection> sectionsOf(const std::vector<RunningAgent> &agents, bool withHttpd) {
    auto all = listProcesses();
    std::vector<MemorySection> apps;
    std::vector<pid_t> watchdogs;
    std::set<pid_t> httpds;
    for (const RunningAgent &agent : agents) {
        for (const AppStatus &app : appsOf(agent)) {
            std::vector<pid_t> roots;
            std::transform(app.instances.begin(), app.instances.end(), std::back_inserter(roots),
                           [](const InstanceStatus &instance) { return static_cast<pid_t>(instance.pid); });
            apps.push_back(section(app.name, true, roots, all));
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

}  // namespace

int runMemoryProgram(const std::vector<std::string> &words) {
    const CommandSpec &command = *findCommand(PROGRAM);
    const Arguments arguments = Arguments::parse(command, words);
    if (arguments.has("help")) {
        fmt::print("{}", helpText(command));
        return ExitStatus::DONE;
    }
    if (arguments.has("version")) {
        fmt::print("{} {}\n", PROGRAM, PASSENGER_VERSION);
        return ExitStatus::DONE;
    }
    const AgentFinder finder(arguments);
    const auto agents = finder.list();
    const auto sections = sectionsOf(agents, !arguments.has("no-apache"));
    if (arguments.has("json")) {
        fmt::print("{}", memoryJson(sections));
        return ExitStatus::DONE;
    }
    fmt::print("Version: {}\nDate   : {:%Y-%m-%d %H:%M:%S %z}\n", PASSENGER_VERSION,
               fmt::localtime(std::time(nullptr)));
    fmt::print("{}", memoryForm(sections, stdoutIsTerminal()));
    if (agents.empty()) {
        fmt::print(stderr, "{}: no agent of mod_passenger is running, as far as {} shows\n", PROGRAM, finder.folder());
    } else if (std::any_of(sections.begin(), sections.end(),
                           [](const MemorySection &one) { return !one.complete(); })) {
        fmt::print(stderr, "{}: \"?\": this user may not measure the processes of other users. Root may: sudo {}\n",
                   PROGRAM, PROGRAM);
    }
    return ExitStatus::DONE;
}

}  // namespace Passenger
