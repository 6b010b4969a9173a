#include "commands/EarlierAgents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "control/ControlVerbs.h"
#include "control/StatusWords.h"

namespace Passenger {

namespace {

/** As AgentConnection has for its agent. */
constexpr std::chrono::seconds PATIENCE{12};
constexpr std::chrono::milliseconds INTERVAL{50};

std::string failureOf(const RunningAgent &agent, const char *why) {
    return fmt::format("the agent of before the reload, {}: {}", agent.watchdogPid, why);
}

/** @return the refusals that count, for people */
std::vector<std::string> orderOne(const RunningAgent &agent, ControlClient &client, const std::vector<AppStatus> &apps,
                                  const char *verb, const std::vector<std::string> &more) {
    std::vector<std::string> refusals;
    for (const AppStatus &known : client.status().apps) {
        if (std::ranges::none_of(apps, [&known](const AppStatus &app) { return app.name == known.name; })) {
            continue;
        }
        std::vector<std::string> order{verb, known.name};
        order.insert(order.end(), more.begin(), more.end());
        try {
            client.order(order);
        } catch (const OrderRefusedException &refusal) {
            if (EarlierAgents::takesRequests(known)) {
                refusals.push_back(failureOf(agent, refusal.what()));
            }
        }
    }
    return refusals;
}

}  // namespace

void EarlierAgents::each(const Question &what, const Failed &failed) const {
    if (!arguments_.value("instance").empty()) {
        return;
    }
    for (const RunningAgent &agent : AgentFinder(arguments_).list()) {
        if (agent.httpdPid != newest_.httpdPid || agent.watchdogPid == newest_.watchdogPid) {
            continue;
        }
        try {
            ControlClient client = agent.connect();
            what(agent, client);
        } catch (const std::exception &error) {
            failed(agent, error.what());
        }
    }
}

void EarlierAgents::reopenLogs() const {
    each([](const RunningAgent &, ControlClient &client) { client.order({ControlVerb::REOPEN_LOGS}); },
         [](const RunningAgent &agent, const char *why) {
             // It may be about to end, and its log file may be in a folder that is gone.
             fmt::print(stderr, "passenger-config: {}\n", failureOf(agent, why));
         });
}

std::string EarlierAgents::order(const std::vector<AppStatus> &apps, const char *verb,
                                 const std::vector<std::string> &more) const {
    const auto deadline = std::chrono::steady_clock::now() + PATIENCE;
    // By the agent. One that has answered is not asked again.
    std::map<pid_t, std::vector<std::string>> refusals;
    std::vector<std::string> failures;
    for (;;) {
        failures.clear();
        each(
            [&](const RunningAgent &agent, ControlClient &client) {
                if (!refusals.contains(agent.watchdogPid)) {
                    refusals.emplace(agent.watchdogPid, orderOne(agent, client, apps, verb, more));
                }
            },
            [&](const RunningAgent &agent, const char *why) {
                if (!refusals.contains(agent.watchdogPid)) {
                    failures.push_back(failureOf(agent, why));
                }
            });
        if (failures.empty() || std::chrono::steady_clock::now() >= deadline) {
            break;
        }
        std::this_thread::sleep_for(INTERVAL);
    }
    for (const auto &[agent, its] : refusals) {
        failures.insert(failures.end(), its.begin(), its.end());
    }
    return fmt::format("{}", fmt::join(failures, "; "));
}

std::optional<std::vector<AppStatus>> EarlierAgents::apps() const {
    std::vector<AppStatus> all;
    bool told = true;
    each(
        [&all](const RunningAgent &, ControlClient &client) {
            const std::vector<AppStatus> apps = client.status().apps;
            all.insert(all.end(), apps.begin(), apps.end());
        },
        [&told](const RunningAgent &, const char *) { told = false; });
    return told ? std::optional(std::move(all)) : std::nullopt;
}

bool EarlierAgents::takesRequests(const AppStatus &app) {
    return app.queue.waiting > 0 || StatusWords::loadOf(app).serving > 0;
}

}  // namespace Passenger
