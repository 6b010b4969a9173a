#include "commands/AgentOrders.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "commands/AgentFinder.h"
#include "commands/AppSelection.h"
#include "commands/CommandFailure.h"
#include "commands/RestartWait.h"
#include "commands/Terminal.h"
#include "control/ControlVerbs.h"
#include "control/StatusWords.h"
#include "io/ReportFrame.h"

namespace Passenger {

namespace {

constexpr int INDENT = 2;
constexpr std::chrono::milliseconds INTERVAL{100};
constexpr std::chrono::seconds USUAL_PAUSE{60};

RunningAgent agentOf(const Arguments &arguments) {
    return AgentFinder(arguments).choose(arguments.value("instance"));
}

bool hasPid(const ServerStatus &status, const std::string &pid) {
    return std::any_of(status.apps.begin(), status.apps.end(), [&pid](const AppStatus &app) {
        return std::any_of(app.instances.begin(), app.instances.end(),
                           [&pid](const InstanceStatus &instance) { return std::to_string(instance.pid) == pid; });
    });
}

/** The selected applications. @throws CommandFailureException: none */
std::vector<AppStatus> existingApps(const Arguments &arguments, ControlClient &client) {
    const auto apps = client.status().apps;
    auto selected = selectApps(arguments, apps);
    if (selected.empty()) {
        throw CommandFailureException(noSuchApp(arguments, apps));
    }
    return selected;
}

/** Waits until the selected applications have none of the requests that `count` counts.
 *  @return how many are left */
unsigned waitUntilNone(const Arguments &arguments, ControlClient &client, std::chrono::milliseconds patience,
                       unsigned (*count)(const AppStatus &)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
        unsigned left = 0;
        for (const AppStatus &app : selectApps(arguments, client.status().apps)) {
            left += count(app);
        }
        if (left == 0 || std::chrono::steady_clock::now() >= deadline) {
            return left;
        }
        std::this_thread::sleep_for(INTERVAL);
    }
}

void orderDrain(const Arguments &arguments, ControlClient &client, const char *flag) {
    if (arguments.has("all")) {
        try {
            client.order({ControlVerb::DRAIN, "", flag});
            return;
        } catch (const OrderRefusedException &) {
            // This user may not drain the server, but applications.
        }
    }
    for (const AppStatus &app : existingApps(arguments, client)) {
        client.order({ControlVerb::DRAIN, app.name, flag});
    }
}

}  // namespace

int restartApp(const Arguments &arguments) {
    const AgentFinder finder(arguments);
    if (arguments.has("ignore-passenger-not-running") && finder.list().empty()) {
        fmt::print(stderr, "no agent of mod_passenger is running, so nothing is restarted\n");
        return ExitStatus::DONE;
    }
    // A wrong time is found before anything restarts.
    const auto patience = arguments.seconds("wait");
    ControlClient client = finder.choose(arguments.value("instance")).connect();
    const auto apps = client.status().apps;
    const auto selected = selectApps(arguments, apps);
    if (selected.empty()) {
        if (!arguments.has("ignore-app-not-running")) {
            throw CommandFailureException(noSuchApp(arguments, apps));
        }
        fmt::print(stderr, "{}\n", noSuchApp(arguments, apps));
        return ExitStatus::DONE;
    }
    RestartWait wait(selected);
    for (const AppStatus &app : selected) {
        fmt::print("Restarting {}\n", singleLine(app.name));
        client.order({ControlVerb::RESTART, app.name});
    }
    std::fflush(stdout);
    return patience ? wait.run(client, *patience) : ExitStatus::DONE;
}

int detachProcess(const Arguments &arguments) {
    if (arguments.operands().empty()) {
        throw CommandFailureException("name the pid of an instance: passenger-status shows them");
    }
    const std::string &pid = arguments.operands().front();
    ControlClient client = agentOf(arguments).connect();
    if (!hasPid(client.status(), pid)) {
        const std::string text = fmt::format("no instance that you may see has the pid {}", singleLine(pid));
        if (!arguments.has("ignore-nonexistant-pid")) {
            throw CommandFailureException(text);
        }
        fmt::print("{}\n", text);
        return ExitStatus::DONE;
    }
    client.order({ControlVerb::DETACH, pid});
    fmt::print("Process {} detached.\n", pid);
    return ExitStatus::DONE;
}

int drain(const Arguments &arguments) {
    const auto patience = arguments.seconds("wait");
    ControlClient client = agentOf(arguments).connect();
    orderDrain(arguments, client, "1");
    if (!patience) {
        return ExitStatus::DONE;
    }
    const auto all = [](const AppStatus &app) { return StatusWords::loadOf(app).busy + app.queue.waiting; };
    if (const unsigned left = waitUntilNone(arguments, client, *patience, all); left > 0) {
        throw CommandFailureException(fmt::format("{} requests are in work or wait", left), ExitStatus::TOO_LATE);
    }
    return ExitStatus::DONE;
}

int undrain(const Arguments &arguments) {
    ControlClient client = agentOf(arguments).connect();
    orderDrain(arguments, client, "0");
    return ExitStatus::DONE;
}

int pauseQueue(const Arguments &arguments) {
    const auto limit = arguments.seconds("limit");
    const auto seconds = limit ? std::chrono::ceil<std::chrono::seconds>(*limit) : USUAL_PAUSE;
    ControlClient client = agentOf(arguments).connect();
    for (const AppStatus &app : existingApps(arguments, client)) {
        client.order({ControlVerb::PAUSE, app.name, std::to_string(seconds.count())});
        fmt::print("Requests of {} wait, for {} s at most\n", singleLine(app.name), seconds.count());
    }
    std::fflush(stdout);
    const auto patience = arguments.seconds("wait");
    if (!patience) {
        return ExitStatus::DONE;
    }
    const auto busy = [](const AppStatus &app) { return StatusWords::loadOf(app).busy; };
    if (const unsigned left = waitUntilNone(arguments, client, *patience, busy); left > 0) {
        throw CommandFailureException(fmt::format("{} requests are in work", left), ExitStatus::TOO_LATE);
    }
    return ExitStatus::DONE;
}

int resumeQueue(const Arguments &arguments) {
    ControlClient client = agentOf(arguments).connect();
    for (const AppStatus &app : existingApps(arguments, client)) {
        client.order({ControlVerb::RESUME, app.name});
    }
    return ExitStatus::DONE;
}

int listAgents(const Arguments &arguments) {
    const auto agents = AgentFinder(arguments).list();
    if (arguments.has("json")) {
        auto list = nlohmann::ordered_json::array();
        for (const RunningAgent &agent : agents) {
            auto properties = nlohmann::ordered_json::parse(agent.properties);
            properties["name"] = agent.name;
            properties["folder"] = agent.folder;
            // Under these names scripts for Phusion Passenger look for them.
            properties["watchdog_pid"] = agent.watchdogPid;
            properties["core_pid"] = agent.poolPid;
            properties["integration_mode"] = "apache";
            properties["instance_dir"] = {{"path", agent.folder}};
            list.push_back(properties);
        }
        fmt::print("{}\n", list.dump(INDENT));
    } else if (!agents.empty()) {
        fmt::print("{}", agentTable(agents));
    } else if (!arguments.has("quiet")) {
        fmt::print("There are no agents of mod_passenger running.\n");
    }
    return ExitStatus::DONE;
}

int reopenLogs(const Arguments &arguments) {
    ControlClient client = agentOf(arguments).connect();
    client.order({ControlVerb::REOPEN_LOGS});
    fmt::print("All done\n");
    return ExitStatus::DONE;
}

int printReport(const Arguments &arguments) {
    if (arguments.operands().empty()) {
        throw CommandFailureException(
            "name the number of a report: passenger-status --verbose shows the last one of each "
            "application");
    }
    ControlClient client = agentOf(arguments).connect();
    const Frame answer = client.order({ControlVerb::REPORT, arguments.operands().front()});
    const Report report = reportIn(answer, 0);
    if (!arguments.has("json")) {
        fmt::print("{}\n", report.text());
        return ExitStatus::DONE;
    }
    auto parts = nlohmann::ordered_json::array();
    for (const Report::Part &part : report.parts) {
        parts.push_back({{"title", part.title}, {"text", part.text}});
    }
    const nlohmann::ordered_json document = {{"id", report.id}, {"summary", report.summary}, {"parts", parts}};
    fmt::print("{}\n", document.dump(INDENT, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return ExitStatus::DONE;
}

int callApi(const Arguments &arguments) {
    if (arguments.operands().empty()) {
        throw CommandFailureException("name an order: passenger-config api-call --help lists them");
    }
    ControlClient client = agentOf(arguments).connect();
    const std::vector<std::string> &order = arguments.operands();
    const bool isLong = order.front() == ControlVerb::STATUS ||
                        (order.front() == ControlVerb::THREADS && order.size() > 2 && order[2] == "0");
    if (isLong) {
        fmt::print("{}\n", client.text(order.size() > 1 ? order : std::vector<std::string>{order.front(), ""}));
        return ExitStatus::DONE;
    }
    const nlohmann::json fields = client.order(order).fields;
    fmt::print("{}\n", fields.dump(INDENT, ' ', false, nlohmann::json::error_handler_t::replace));
    return ExitStatus::DONE;
}

}  // namespace Passenger
