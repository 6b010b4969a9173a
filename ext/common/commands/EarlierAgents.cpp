#include "commands/EarlierAgents.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "commands/CommandFailure.h"
#include "control/ControlVerbs.h"

namespace Passenger {

void EarlierAgents::each(const std::function<void(ControlClient &)> &what, const Failed &failed) const {
    if (!arguments_.value("instance").empty()) {
        return;
    }
    for (const RunningAgent &agent : AgentFinder(arguments_).list()) {
        if (agent.httpdPid != newest_.httpdPid || agent.watchdogPid == newest_.watchdogPid) {
            continue;
        }
        try {
            ControlClient client = agent.connect();
            what(client);
        } catch (const AbsentAgentException &) {
            // It has ended meanwhile.
        } catch (const std::exception &error) {
            if (failed) {
                failed(agent, error.what());
            }
        }
    }
}

void EarlierAgents::reopenLogs() const {
    each([](ControlClient &client) { client.order({ControlVerb::REOPEN_LOGS}); },
         [](const RunningAgent &agent, const char *why) {
             // It may be about to end, and its log file may be in a folder that is gone.
             fmt::print(stderr, "passenger-config: the agent of before the reload, {}: {}\n", agent.watchdogPid, why);
         });
}

void EarlierAgents::order(const std::vector<AppStatus> &apps, const char *verb,
                          const std::vector<std::string> &more) const {
    each([&](ControlClient &client) {
        for (const AppStatus &known : client.status().apps) {
            if (std::ranges::any_of(apps, [&known](const AppStatus &app) { return app.name == known.name; })) {
                std::vector<std::string> order{verb, known.name};
                order.insert(order.end(), more.begin(), more.end());
                client.order(order);
            }
        }
    });
}

std::vector<AppStatus> EarlierAgents::apps() const {
    std::vector<AppStatus> all;
    each([&all](ControlClient &client) {
        const std::vector<AppStatus> apps = client.status().apps;
        all.insert(all.end(), apps.begin(), apps.end());
    });
    return all;
}

}  // namespace Passenger
