#include "commands/AgentCheckCommand.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "commands/AgentFinder.h"
#include "commands/AppSelection.h"
#include "commands/BalancerWeight.h"
#include "commands/CommandFailure.h"
#include "commands/JsonResult.h"
#include "commands/SystemMetrics.h"
#include "commands/Terminal.h"
#include "control/HealthCheck.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds MEASURED_FOR{200};
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

/** The selected applications. An application that has not been asked for yet starts with its first
 *  request. */
ServerStatus selected(const Arguments &arguments) {
    ControlClient client = AgentFinder(arguments).choose(arguments.value("instance")).connect();
    if (arguments.has("name")) {
        // Also one that drains and has not been asked for.
        return client.status(arguments.value("name"));
    }
    ServerStatus status = client.status();
    if (namesApps(arguments)) {
        status.apps = selectApps(arguments, status.apps);
    }
    return status;
}

/** Removes the applications that do not serve, unless none does: one tenant's failure takes no host
 *  from the others. */
void keepThoseThatServe(ServerStatus &status) {
    std::vector<AppStatus> serving;
    std::copy_if(status.apps.begin(), status.apps.end(), std::back_inserter(serving), [](const AppStatus &app) {
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
    /** Empty: requests may come. */
    std::string reason;

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

Answer answer(const Arguments &arguments) {
    const SystemMetrics before = SystemMetrics::now();
    std::this_thread::sleep_for(MEASURED_FOR);
    const double use = processorUse(before, SystemMetrics::now());
    ServerStatus status = selected(arguments);
    keepThoseThatServe(status);
    const std::string reason = reasonToSendElsewhere(status, ANY_WAIT);
    if (reason.empty()) {
        return {"up", balancerWeight(status, use), ""};
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
    } catch (const std::exception &problem) {
        given = {"down", {}, singleLine(problem.what())};
    }
    fmt::print("{}", arguments.has("json") ? given.json() : given.line() + "\n");
    return ExitStatus::DONE;
}

}  // namespace Passenger
