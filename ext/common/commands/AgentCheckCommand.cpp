#include "commands/AgentCheckCommand.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <thread>

#include "commands/AgentFinder.h"
#include "commands/AppSelection.h"
#include "commands/BalancerWeight.h"
#include "commands/CommandFailure.h"
#include "commands/SystemMetrics.h"
#include "commands/Terminal.h"
#include "control/HealthCheck.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds MEASURED_FOR{200};

bool namesApps(const Arguments &arguments) {
    return arguments.has("all") || arguments.has("name") || !arguments.operands().empty();
}

/** Whether it is wanted that no requests come: they would be served. */
bool isHeldBack(const ServerStatus &status) {
    return status.draining || std::any_of(status.apps.begin(), status.apps.end(),
                                          [](const AppStatus &app) { return app.draining || app.queue.pausedFor > 0; });
}

std::string answer(const Arguments &arguments) {
    const SystemMetrics before = SystemMetrics::now();
    std::this_thread::sleep_for(MEASURED_FOR);
    const double use = processorUse(before, SystemMetrics::now());
    ServerStatus status = AgentFinder(arguments).choose(arguments.value("instance")).connect().status();
    // An application that has not been asked for yet starts with its first request.
    if (namesApps(arguments)) {
        status.apps = selectApps(arguments, status.apps);
    }
    // The weight tells how long requests wait.
    const std::string reason = reasonToSendElsewhere(status, std::chrono::hours(1));
    if (reason.empty()) {
        return fmt::format("up {}%", balancerWeight(status, use));
    }
    return fmt::format("{} #{}", isHeldBack(status) ? "up 0%" : "down", singleLine(reason));
}

}  // namespace

int agentCheck(const Arguments &arguments) {
    if (namesApps(arguments)) {
        // A wrong command line is no answer.
        selectApps(arguments, {});
    }
    std::string line;
    try {
        line = answer(arguments);
    } catch (const std::exception &problem) {
        line = fmt::format("down #{}", singleLine(problem.what()));
    }
    fmt::print("{}\n", line);
    return ExitStatus::DONE;
}

}  // namespace Passenger
