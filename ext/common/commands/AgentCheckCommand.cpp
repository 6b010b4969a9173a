#include "commands/AgentCheckCommand.h"

#include <fmt/format.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/CpuQuota.h"
#include "base/FileContent.h"
#include "base/Lists.h"
#include "base/Processors.h"
#include "commands/AgentConnection.h"
#include "commands/AgentFinder.h"
#include "commands/AppSelection.h"
#include "commands/BalancerWeight.h"
#include "commands/CommandFailure.h"
#include "commands/JsonResult.h"
#include "commands/Terminal.h"
#include "control/ControlVerbs.h"
#include "control/HealthCheck.h"

namespace Passenger {

namespace {

/** Five of the usual periods of quotas. */
constexpr std::chrono::milliseconds MEASURED_FOR{500};
/** The weight tells how long requests wait. */
constexpr std::chrono::hours ANY_WAIT{1};

bool namesApps(const Arguments &arguments) {
    return arguments.has("all") || arguments.has("name") || !arguments.operands().empty();
}

/** Whether it is wanted that no requests come: they would be served. */
bool isHeldBack(const ServerStatus &status) {
    return status.draining || status.warmingUp ||
           std::any_of(status.apps.begin(), status.apps.end(),
                       [](const AppStatus &app) { return app.draining || app.queue.pausedFor > 0; });
}

/** The selected applications. @param unknown why none is; empty: one is, or none has to be */
ServerStatus selected(AgentConnection &agent, const Arguments &arguments, std::string &unknown) {
    // A question about the health of an application that fails starts it.
    const bool chosen = namesApps(arguments) && !arguments.has("all");
    ServerStatus status = agent.status({}, chosen ? ControlClient::Detail::FIGURES : ControlClient::Detail::HEALTH);
    if (status.apps.empty() && ::geteuid() != 0) {
        unknown = "no application is known, or this user may see none";
    }
    if (chosen) {
        status.apps = selectApps(arguments, status.apps);
        if (unknown.empty() && status.apps.empty()) {
            unknown = "no application of this name or path is known";
        }
        for (AppStatus &app : status.apps) {
            const ServerStatus alone = agent.status(app.name, ControlClient::Detail::HEALTH);
            app = alone.apps.empty() ? app : alone.apps.front();
            // It is told of one application whether that still warms up.
            status.warmingUp = arguments.has("name") ? alone.warmingUp : status.warmingUp;
        }
    }
    return status;
}

/** Removes the applications that do not serve, unless none does: one tenant's failure takes no host
 *  from the others. */
void keepThoseThatServe(ServerStatus &status) {
    auto serving = those(status.apps, [](const AppStatus &app) {
        ServerStatus alone;
        alone.apps = {app};
        return reasonToSendElsewhere(alone, ANY_WAIT).empty();
    });
    if (!serving.empty()) {
        status.apps = std::move(serving);
    }
}

/** For the balancer. */
struct Answer {
    /** up, down */
    const char *state = "down";
    /** Per cent; nothing: the line has none. */
    std::optional<unsigned> weight;
    /** Why no requests may come, or why the answer tells nothing of an application; empty: neither
     *  is so. */
    std::string reason;

    bool tellsNothing() const { return weight.value_or(0) > 0 && !reason.empty(); }
    std::string line() const {
        return fmt::format("{}{}{}", state, weight ? fmt::format(" {}%", *weight) : "",
                           reason.empty() ? "" : " #" + reason);
    }
    std::string json() const {
        const nlohmann::ordered_json noWeight;
        return JsonResult::done({{"answer", line()},
                                 {"state", state},
                                 {"weight", weight ? nlohmann::ordered_json(*weight) : noWeight},
                                 {"reason", reason}});
    }
};

/** The use of the CPU quota of the agent and its applications, or else of the processors that they
 *  may use. */
double useOf(const RunningAgent &agent) {
    const CgroupFiles files = CgroupFiles::of(agent.poolPid);
    const auto processors = processorsOf(static_cast<pid_t>(agent.poolPid));
    const auto count = static_cast<unsigned>(processors.size());
    const auto begin = std::chrono::steady_clock::now();
    const auto quotas = cpuQuotas(files, count);
    const auto times = [&processors] { return timesOf(processors, fileContent("/proc/stat")); };
    const ProcessorTimes before = times();
    std::this_thread::sleep_for(MEASURED_FOR);
    const auto use = quotaUse(quotas, cpuQuotas(files, count), std::chrono::steady_clock::now() - begin);
    return use ? *use : processorUse(before, times());
}

/** The weight that the balancer is told. */
unsigned smoothed(AgentConnection &agent, const Arguments &arguments, unsigned measured) {
    std::string question = arguments.value("name");
    for (const std::string &path : arguments.operands()) {
        question += '\n' + path;
    }
    try {
        const Frame told = agent.order({ControlVerb::WEIGHT, question, std::to_string(measured)});
        return inWeightSteps(static_cast<double>(told.number(0)));
    } catch (const OrderRefusedException &) {
        // The agent is of an older version, or the question is too long.
        return measured;
    }
}

Answer answer(const Arguments &arguments) {
    AgentConnection agent(arguments);
    const double use = useOf(agent.agent());
    std::string unknown;
    ServerStatus status = selected(agent, arguments, unknown);
    keepThoseThatServe(status);
    const std::string reason = reasonToSendElsewhere(status, ANY_WAIT);
    if (reason.empty()) {
        // An application that is not known yet starts with its first request, so requests may come.
        return {"up", smoothed(agent, arguments, balancerWeight(status, use)), unknown};
    }
    return isHeldBack(status) ? Answer{"up", 0, singleLine(reason)} : Answer{"down", {}, singleLine(reason)};
}

}  // namespace

int agentCheck(const Arguments &arguments) {
    if (namesApps(arguments)) {
        // A wrong command line is no answer.
        selectApps(arguments, {});
    }
    Answer given;
    try {
        given = answer(arguments);
    } catch (const AbsentAgentException &) {
        // Requests wait for the next pool process. Without an answer the balancer changes nothing.
        throw;
    } catch (const std::exception &problem) {
        given = {"down", {}, singleLine(problem.what())};
    }
    fmt::print("{}", arguments.has("json") ? given.json() : given.line() + "\n");
    if (given.tellsNothing()) {
        std::fflush(stdout);
        fmt::print(stderr, "passenger-config: {}\n", given.reason);
    }
    return ExitStatus::DONE;
}

}  // namespace Passenger
