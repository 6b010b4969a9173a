#include "commands/BacktracesForm.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/Lists.h"
#include "base/Split.h"
#include "commands/Terminal.h"
#include "control/ControlVerbs.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds INTERVAL{50};
constexpr std::chrono::seconds PATIENCE{3};

struct Instance {
    std::string pid;
    /** Nothing: it has not answered. */
    std::optional<std::string> text;
};

std::vector<Instance> instancesOf(ControlClient &agent, const std::string &app) {
    std::vector<Instance> instances;
    for (const auto &one : nlohmann::json::parse(agent.text({ControlVerb::THREADS, app, "0"}))) {
        instances.push_back({std::to_string(one.at("pid").get<std::int64_t>()), std::nullopt});
        if (one.at("answered").get<bool>()) {
            instances.back().text = one.at("text").get<std::string>();
        }
    }
    return instances;
}

bool allAnswered(const std::vector<Instance> &instances) {
    return std::all_of(instances.begin(), instances.end(), [](const Instance &one) { return one.text.has_value(); });
}

std::string instanceText(const Instance &instance) {
    std::string text = fmt::format("  * PID: {}\n", singleLine(instance.pid));
    if (!instance.text) {
        return text +
               "      no answer within 3 seconds: a thread holds the interpreter's lock, Node's event loop is blocked, "
               "or the process is stopped\n";
    }
    return sumOf(text, split(*instance.text, '\n'), [](const std::string &line) {
        return line.empty() ? "" : fmt::format("      {}\n", singleLine(line));
    });
}

}  // namespace

std::string backtracesForm(ControlClient &agent) {
    const std::vector<AppStatus> apps = agent.status().apps;
    for (const AppStatus &app : apps) {
        agent.order({ControlVerb::THREADS, app.name, "1"});
    }
    const auto deadline = std::chrono::steady_clock::now() + PATIENCE;
    std::string text;
    for (const AppStatus &app : apps) {
        std::vector<Instance> instances = instancesOf(agent, app.name);
        while (!allAnswered(instances) && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(INTERVAL);
            instances = instancesOf(agent, app.name);
        }
        text += sumOf(singleLine(app.name) + ":\n", instances, instanceText) + "\n";
    }
    return text.empty() ? "No application is known to the agent.\n" : text;
}

}  // namespace Passenger
