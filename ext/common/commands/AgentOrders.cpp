#include "commands/AgentOrders.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/MarkupText.h"
#include "commands/AgentConnection.h"
#include "commands/AgentFinder.h"
#include "commands/AppSelection.h"
#include "commands/CommandFailure.h"
#include "commands/EarlierAgents.h"
#include "commands/JsonResult.h"
#include "commands/RestartWait.h"
#include "commands/Terminal.h"
#include "control/ControlVerbs.h"
#include "control/StatusWords.h"
#include "io/ReportFrame.h"

namespace Passenger {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds INTERVAL{100};
constexpr std::chrono::seconds USUAL_PAUSE{60};

bool hasPid(const ServerStatus &status, const std::string &pid) {
    return std::any_of(status.apps.begin(), status.apps.end(), [&pid](const AppStatus &app) {
        return std::any_of(app.instances.begin(), app.instances.end(),
                           [&pid](const InstanceStatus &instance) { return std::to_string(instance.pid) == pid; });
    });
}

bool hasName(const std::vector<AppStatus> &apps, const std::string &name) {
    return std::ranges::any_of(apps, [&name](const AppStatus &app) { return app.name == name; });
}

Json namesOf(const std::vector<AppStatus> &apps) {
    Json names = Json::array();
    for (const AppStatus &app : apps) {
        names.push_back(app.name);
    }
    return names;
}

/** The selected applications. @throws CommandFailureException: none */
std::vector<AppStatus> existingApps(const Arguments &arguments, AgentConnection &agent) {
    const auto apps = agent.status().apps;
    auto selected = selectApps(arguments, apps);
    if (selected.empty()) {
        throw CommandFailureException(noSuchApp(arguments, apps));
    }
    return selected;
}

/** Which agent tells of an application. */
enum class TellingAgent { NEWEST, EARLIER };

/** Waits until the selected applications have none of the requests that `count` counts.
 *  @param count may throw, which ends the wait @return how many are left */
unsigned waitUntilNone(const Arguments &arguments, AgentConnection &agent, std::chrono::milliseconds patience,
                       const std::function<unsigned(const AppStatus &, TellingAgent)> &count) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    const ServerStatus first = agent.status();
    const std::size_t all = selectApps(arguments, first.apps).size();
    const EarlierAgents earlier(arguments, agent.agent());
    for (;;) {
        unsigned left = 0;
        const ServerStatus status = agent.look().value_or(ServerStatus());
        const std::vector<AppStatus> selected = selectApps(arguments, status.apps);
        for (const AppStatus &app : selected) {
            left += count(app, TellingAgent::NEWEST);
        }
        const auto others = earlier.apps();
        for (const AppStatus &app : selectApps(arguments, others.value_or(std::vector<AppStatus>()))) {
            left += count(app, TellingAgent::EARLIER);
        }
        // The next pool process does not show an application to its owner before a request for it,
        // unless it has instances or drains.
        const bool known =
            others && (status.poolPid == first.poolPid || (status.poolPid != 0 && selected.size() >= all));
        const bool late = std::chrono::steady_clock::now() >= deadline;
        if (late && !known) {
            throw CommandFailureException("the agent does not tell about all of these applications",
                                          ExitStatus::TOO_LATE);
        }
        if (late || (known && left == 0)) {
            return left;
        }
        std::this_thread::sleep_for(INTERVAL);
    }
}

/** The result of an order about each of several applications. */
struct Ordered {
    std::vector<AppStatus> done;
    /** Why an agent has not done the order about others, or about these; empty: all have. */
    std::string refusals;
};

/** One refusal does not keep the other applications from the order. @param more arguments after the
 *  name @throws OrderRefusedException: all are refused */
Ordered orderEach(AgentConnection &agent, const std::vector<AppStatus> &apps, const char *verb,
                  const std::vector<std::string> &more = {}) {
    Ordered ordered;
    for (const AppStatus &app : apps) {
        std::vector<std::string> order{verb, app.name};
        order.insert(order.end(), more.begin(), more.end());
        try {
            agent.order(order);
            ordered.done.push_back(app);
        } catch (const OrderRefusedException &refusal) {
            ordered.refusals += fmt::format("{}{}", ordered.refusals.empty() ? "" : "; ", refusal.what());
        }
    }
    return ordered.done.empty() ? throw OrderRefusedException(ordered.refusals) : ordered;
}

/** Orders it of the agents of before a reload, too. @return whether all have done it; if not,
 *  `ordered` has the reasons */
bool orderEarlier(const Arguments &arguments, const AgentConnection &agent, Ordered &ordered, const char *verb,
                  const std::vector<std::string> &more = {}) {
    const std::string failures = EarlierAgents(arguments, agent.agent()).order(ordered.done, verb, more);
    if (!failures.empty()) {
        ordered.refusals += (ordered.refusals.empty() ? "" : "; ") + failures;
    }
    return failures.empty();
}

/** For finish(). */
Json fieldsOf(const Ordered &ordered) {
    Json fields = {{"applications", namesOf(ordered.done)}};
    if (!ordered.refusals.empty()) {
        fields["error"] = ordered.refusals;
    }
    return fields;
}

/** After an order about the server. @return `server`, `applications`, and as `draining` those that
 *  stay drained */
Json drainedServer(const std::vector<AppStatus> &apps, bool drains) {
    Json done = Json::array();
    Json others = Json::array();
    for (const AppStatus &app : apps) {
        (app.draining == drains ? done : others).push_back(app.name);
    }
    Json drained = {{"server", true}, {"applications", done}};
    if (!others.empty()) {
        drained["draining"] = others;
    }
    return drained;
}

/** @return what was drained, or not any more: drainedServer(), or `server` and fieldsOf() */
Json orderDrain(const Arguments &arguments, AgentConnection &agent, bool drains) {
    const std::string flag = drains ? "1" : "0";
    if (arguments.has("all")) {
        try {
            agent.order({ControlVerb::DRAIN, "", flag});
            return drainedServer(agent.status().apps, drains);
        } catch (const OrderRefusedException &) {
            // This user may not drain the server, but applications.
        }
    }
    Json drained = {{"server", false}};
    drained.update(fieldsOf(orderEach(agent, existingApps(arguments, agent), ControlVerb::DRAIN, {flag})));
    return drained;
}

/** A line for each application, where `{}` is its name. */
std::string linesForEach(const Json &names, const std::string &line) {
    std::string text;
    for (const Json &name : names) {
        text += fmt::format(fmt::runtime(line), singleLine(name.get<std::string>()));
    }
    return text;
}

/** As linesForEach(), or one line for the server. */
std::string linesFor(const Json &done, const std::string &line) {
    return done.value("server", false) ? fmt::format(fmt::runtime(line), "all applications")
                                       : linesForEach(done.at("applications"), line);
}

/** What balancers are told after drain. */
constexpr const char *DRAINED = "The health URL of {} answers 503: balancers send requests elsewhere\n";
constexpr const char *UNDRAINED = "The health URL of {} no longer tells balancers to send requests elsewhere\n";
constexpr const char *STILL_DRAINS =
    "That of {0} does, since it was drained by itself: passenger-config undrain --name '{0}' ends that\n";

/** Prints the text and the field `error`, or what --json wants instead. @return the exit status */
int finish(const Arguments &arguments, const Json &fields, const std::string &text = {}) {
    const bool refused = fields.contains("error");
    const int status = refused ? ExitStatus::FAILED : ExitStatus::DONE;
    fmt::print("{}", arguments.has("json") ? JsonResult::done(fields, status) : text);
    if (refused) {
        std::fflush(stdout);
        fmt::print(stderr, "passenger-config: {}\n", singleLine(fields.at("error").get<std::string>()));
    }
    return status;
}

const char *nameOf(RestartWait::Outcome outcome) {
    switch (outcome) {
        case RestartWait::Outcome::SERVES: return "serves";
        case RestartWait::Outcome::IDLE: return "idle";
        case RestartWait::Outcome::FAILED: return "failed";
        case RestartWait::Outcome::UNDER_WAY: break;
    }
    return "ordered";
}

Json outcomeOf(RestartWait::Outcome outcome, const AppStatus &app, double elapsed) {
    Json told = {{"name", app.name}, {"outcome", nameOf(outcome)}};
    if (outcome != RestartWait::Outcome::UNDER_WAY) {
        told["seconds"] = elapsed;
    }
    if (outcome == RestartWait::Outcome::FAILED && app.failure) {
        told["summary"] = app.failure->summary;
        told["remedy"] = app.failure->remedy;
        told["report"] = app.failure->report;
    }
    return told;
}

/** With --json. @return the exit status */
int waitAndTell(RestartWait &wait, const Ordered &ordered, AgentConnection &agent,
                std::optional<std::chrono::milliseconds> patience) {
    Json fields = fieldsOf(ordered);
    Json apps = Json::array();
    int status = ordered.refusals.empty() ? ExitStatus::DONE : ExitStatus::FAILED;
    if (patience) {
        const int waited =
            wait.run(agent, *patience, [&apps](RestartWait::Outcome outcome, const AppStatus &app, double elapsed) {
                apps.push_back(outcomeOf(outcome, app, elapsed));
            });
        status = waited != ExitStatus::DONE ? waited : status;
    } else {
        for (const AppStatus &app : ordered.done) {
            apps.push_back(outcomeOf(RestartWait::Outcome::UNDER_WAY, app, 0));
        }
    }
    fields["applications"] = apps;
    fmt::print("{}", JsonResult::done(fields, status));
    return status;
}

/** Whether the agent does not run, and the caller does not mind. Tells where it was looked for: it
 *  may run elsewhere. */
bool needsNoAgent(const Arguments &arguments) {
    if (!arguments.has("ignore-passenger-not-running")) {
        return false;
    }
    const AgentFinder finder(arguments);
    const std::string name = arguments.value("instance");
    const std::vector<RunningAgent> all = finder.list();
    if (std::ranges::any_of(all, [&name](const RunningAgent &agent) { return agent.name.starts_with(name); })) {
        return false;
    }
    fmt::print(stderr, "passenger-config: {}\n",
               all.empty() ? finder.nothingFound() : fmt::format("no agent has a name that begins with {}", name));
    return true;
}

}  // namespace

int restartApp(const Arguments &arguments) {
    if (needsNoAgent(arguments)) {
        return finish(arguments, {{"applications", Json::array()}});
    }
    // A wrong time is found before anything restarts.
    const auto patience = arguments.seconds("wait");
    AgentConnection agent(arguments);
    const ServerStatus before = agent.status();
    const auto selected = selectApps(arguments, before.apps);
    if (selected.empty()) {
        if (!arguments.has("ignore-app-not-running")) {
            throw CommandFailureException(noSuchApp(arguments, before.apps));
        }
        fmt::print(stderr, "{}\n", noSuchApp(arguments, before.apps));
        return finish(arguments, {{"applications", Json::array()}});
    }
    const Ordered ordered = orderEach(agent, selected, ControlVerb::RESTART);
    RestartWait wait(ordered.done, before.poolPid);
    if (arguments.has("json")) {
        return waitAndTell(wait, ordered, agent, patience);
    }
    const int refused = finish(arguments, fieldsOf(ordered), linesFor(fieldsOf(ordered), "Restarting {}\n"));
    std::fflush(stdout);
    const int waited = patience ? wait.run(agent, *patience, RestartWait::print) : ExitStatus::DONE;
    return waited != ExitStatus::DONE ? waited : refused;
}

int detachProcess(const Arguments &arguments) {
    if (arguments.operands().empty()) {
        throw CommandFailureException("name the pid of an instance: passenger-status shows them");
    }
    const std::string &pid = arguments.operands().front();
    AgentConnection agent(arguments);
    if (!hasPid(agent.status(), pid)) {
        const std::string text = fmt::format("no instance that you may see has the pid {}", singleLine(pid));
        if (!arguments.has("ignore-nonexistant-pid")) {
            throw CommandFailureException(text);
        }
        return finish(arguments, {{"pid", nullptr}}, text + "\n");
    }
    agent.order({ControlVerb::DETACH, pid});
    return finish(arguments, {{"pid", std::stoll(pid)}}, fmt::format("Process {} detached.\n", pid));
}

int drain(const Arguments &arguments) {
    const auto patience = arguments.seconds("wait");
    AgentConnection agent(arguments);
    const Json drained = orderDrain(arguments, agent, true);
    if (!patience) {
        return finish(arguments, drained, linesFor(drained, DRAINED));
    }
    const auto all = [](const AppStatus &app, TellingAgent) {
        return StatusWords::loadOf(app).busy + app.queue.waiting;
    };
    if (const unsigned left = waitUntilNone(arguments, agent, *patience, all); left > 0) {
        throw CommandFailureException(
            StatusWords::counted(left, "request is", "requests are") + " in work or in the queue",
            ExitStatus::TOO_LATE);
    }
    return finish(arguments, drained, linesFor(drained, DRAINED));
}

int undrain(const Arguments &arguments) {
    AgentConnection agent(arguments);
    const Json undrained = orderDrain(arguments, agent, false);
    const Json still = undrained.value("draining", Json::array());
    return finish(arguments, undrained, linesFor(undrained, UNDRAINED) + linesForEach(still, STILL_DRAINS));
}

int pauseQueue(const Arguments &arguments) {
    const auto limit = arguments.seconds("limit");
    // A wrong time is found before anything is paused.
    const auto patience = arguments.seconds("wait");
    const auto seconds = limit ? std::chrono::ceil<std::chrono::seconds>(*limit) : USUAL_PAUSE;
    if (patience && *patience > seconds) {
        throw CommandFailureException(
            fmt::format("--wait is longer than --limit ({} s): the pause would end before", seconds.count()));
    }
    AgentConnection agent(arguments);
    const std::string length = std::to_string(seconds.count());
    Ordered ordered = orderEach(agent, existingApps(arguments, agent), ControlVerb::PAUSE, {length});
    const bool everywhere = orderEarlier(arguments, agent, ordered, ControlVerb::PAUSE, {length});
    Json paused = fieldsOf(ordered);
    paused["limit"] = seconds.count();
    if (!arguments.has("json")) {
        fmt::print("{}", linesFor(paused, fmt::format("Requests of {{}} wait, for {} s at most\n", seconds.count())));
    }
    std::fflush(stdout);
    if (!patience || !everywhere) {
        return finish(arguments, paused);
    }
    const auto busy = [&ordered](const AppStatus &app, TellingAgent by) {
        if (!hasName(ordered.done, app.name)) {
            return 0U;
        }
        if (app.queue.pausedFor <= 0 && (by == TellingAgent::NEWEST || EarlierAgents::takesRequests(app))) {
            throw CommandFailureException(
                fmt::format("the pause of {} has ended before its requests did", singleLine(app.name)),
                ExitStatus::TOO_LATE);
        }
        return StatusWords::loadOf(app).busy;
    };
    if (const unsigned left = waitUntilNone(arguments, agent, *patience, busy); left > 0) {
        throw CommandFailureException(StatusWords::counted(left, "request is", "requests are") + " in work",
                                      ExitStatus::TOO_LATE);
    }
    return finish(arguments, paused);
}

int resumeQueue(const Arguments &arguments) {
    AgentConnection agent(arguments);
    Ordered ordered = orderEach(agent, existingApps(arguments, agent), ControlVerb::RESUME);
    orderEarlier(arguments, agent, ordered, ControlVerb::RESUME);
    Json resumed = fieldsOf(ordered);
    const auto ended = std::stable_partition(ordered.done.begin(), ordered.done.end(),
                                             [](const AppStatus &before) { return before.queue.pausedFor > 0; });
    const Json late = namesOf({ended, ordered.done.end()});
    if (!late.empty()) {
        resumed["ended"] = late;
    }
    ordered.done.erase(ended, ordered.done.end());
    return finish(
        arguments, resumed,
        linesForEach(namesOf(ordered.done), "Requests of {} are taken again\n") +
            linesForEach(late, "Requests of {} did not wait any more: the pause had ended, or there was none\n"));
}

int listAgents(const Arguments &arguments) {
    const AgentFinder finder(arguments);
    const auto agents = finder.list();
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
        fmt::print("{}", JsonResult::text(list));
    } else if (!agents.empty()) {
        fmt::print("{}", agentTable(agents));
    } else if (!arguments.has("quiet")) {
        fmt::print("{}\n", finder.nothingFound());
    }
    return ExitStatus::DONE;
}

int reopenLogs(const Arguments &arguments) {
    if (needsNoAgent(arguments)) {
        return finish(arguments, Json::object());
    }
    AgentConnection agent(arguments);
    agent.order({ControlVerb::REOPEN_LOGS});
    EarlierAgents(arguments, agent.agent()).reopenLogs();
    return finish(arguments, Json::object(), "All done\n");
}

int printReport(const Arguments &arguments) {
    if (arguments.operands().empty()) {
        throw CommandFailureException(
            "name the number of a report: passenger-status --verbose shows the last one of each "
            "application");
    }
    AgentConnection agent(arguments);
    const Frame answer = agent.order({ControlVerb::REPORT, arguments.operands().front()});
    const Report report = reportIn(answer, 0);
    if (!arguments.has("json")) {
        fmt::print("{}\n", printable(report.text()));
        return ExitStatus::DONE;
    }
    auto parts = nlohmann::ordered_json::array();
    for (const Report::Part &part : report.parts) {
        parts.push_back({{"title", part.title}, {"text", part.text}});
    }
    const nlohmann::ordered_json document = {{"id", report.id}, {"summary", report.summary}, {"parts", parts}};
    fmt::print("{}", JsonResult::text(document));
    return ExitStatus::DONE;
}

int callApi(const Arguments &arguments) {
    if (arguments.operands().empty()) {
        throw CommandFailureException("name an order: passenger-config api-call --help lists them");
    }
    AgentConnection agent(arguments);
    const std::vector<std::string> &order = arguments.operands();
    const bool isLong = order.front() == ControlVerb::STATUS ||
                        (order.front() == ControlVerb::THREADS && order.size() > 2 && order[2] == "0");
    if (isLong) {
        const auto text = agent.text(order.size() > 1 ? order : std::vector<std::string>{order.front(), ""});
        fmt::print("{}", JsonResult::text(Json::parse(text)));
        return ExitStatus::DONE;
    }
    fmt::print("{}", JsonResult::text(agent.order(order).fields));
    return ExitStatus::DONE;
}

}  // namespace Passenger
