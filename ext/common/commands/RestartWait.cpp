#include "commands/RestartWait.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <thread>

#include "commands/CommandFailure.h"
#include "commands/Terminal.h"
#include "control/ControlVerbs.h"
#include "control/StatusWords.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds INTERVAL{100};

void printFailure(const AppStatus &app) {
    fmt::print(stderr, "{} did not start{}\n", singleLine(app.name),
               app.failure ? ": " + singleLine(app.failure->summary) : std::string());
    if (app.failure && !app.failure->remedy.empty()) {
        fmt::print(stderr, "  {}\n", singleLine(app.failure->remedy));
    }
    if (app.failure && !app.failure->report.empty()) {
        fmt::print(stderr, "  passenger-config report {}\n", singleLine(app.failure->report));
    }
}

bool anyServes(const AppStatus &app, std::uint64_t version) {
    return std::any_of(app.instances.begin(), app.instances.end(), [version](const InstanceStatus &one) {
        return one.state == "serving" && one.version == version;
    });
}

const AppStatus *find(const std::vector<AppStatus> &apps, const std::string &name) {
    const auto found =
        std::find_if(apps.begin(), apps.end(), [&name](const AppStatus &app) { return app.name == name; });
    return found == apps.end() ? nullptr : &*found;
}

/** Why no new instance of the application serves. */
std::string reasonOf(const AppStatus *app) {
    if (app == nullptr) {
        return "the agent does not know it any more";
    }
    const auto old = std::find_if(app->instances.begin(), app->instances.end(),
                                  [](const InstanceStatus &one) { return one.state == "draining"; });
    if (app->starting == 0 && old != app->instances.end()) {
        return fmt::format("the old instance {} has not ended", old->pid);
    }
    return StatusWords::state(*app);
}

}  // namespace

RestartWait::Outcome RestartWait::outcome(const AppStatus &before, const AppStatus &now, double elapsed) {
    const bool changed = now.version != before.version;
    if (changed && anyServes(now, now.version)) {
        return Outcome::SERVES;
    }
    const bool failed = now.failure && now.failure->age <= elapsed;
    const bool underWay = now.state == "starting" || now.state == "deploying";
    if (failed && !underWay) {
        return Outcome::FAILED;
    }
    // Instances that served are replaced, perhaps after the old ones have ended. An application
    // without any starts with its next request, and so does one whose new instance has ended since.
    const bool replaced = anyServes(before, before.version) && now.counters.spawned == before.counters.spawned;
    return now.state == "down" && now.instances.empty() && !replaced ? Outcome::IDLE : Outcome::UNDER_WAY;
}

std::string RestartWait::late(const std::vector<AppStatus> &apps) const {
    std::string text;
    for (const AppStatus &before : before_) {
        text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", singleLine(before.name),
                            reasonOf(find(apps, before.name)));
    }
    return text;
}

void RestartWait::print(Outcome outcome, const AppStatus &now, double elapsed) {
    if (outcome == Outcome::SERVES) {
        fmt::print("{} serves its new version after {}\n", singleLine(now.name), StatusWords::duration(elapsed));
    } else if (outcome == Outcome::IDLE) {
        fmt::print("{} has no instance; its next request starts the new version\n", singleLine(now.name));
    } else if (outcome == Outcome::FAILED) {
        printFailure(now);
    }
}

int RestartWait::run(AgentConnection &agent, std::chrono::milliseconds patience, const Teller &tell) {
    const auto begin = std::chrono::steady_clock::now();
    const std::size_t all = before_.size();
    bool failed = false;
    std::set<std::string> orderedAgain;
    for (;;) {
        const std::optional<ServerStatus> status = agent.look();
        if (status && status->poolPid != pool_) {
            pool_ = status->poolPid;
            for (const AppStatus &before : before_) {
                if (agent.orderAgain({ControlVerb::RESTART, before.name})) {
                    orderedAgain.insert(before.name);
                }
            }
            continue;
        }
        const std::vector<AppStatus> apps = status ? status->apps : std::vector<AppStatus>();
        const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        std::erase_if(before_, [&](const AppStatus &before) {
            const AppStatus *const now = find(apps, before.name);
            // The instances that the former pool process has left have ended. An application about
            // which nothing could be ordered may still have some: its owner is not known yet.
            const bool left = status && orderedAgain.contains(before.name);
            const Outcome unknown = left ? Outcome::IDLE : Outcome::UNDER_WAY;
            const Outcome result = now == nullptr ? unknown : outcome(before, *now, elapsed);
            if (result == Outcome::UNDER_WAY) {
                return false;
            }
            failed = failed || result == Outcome::FAILED;
            tell(result, now == nullptr ? before : *now, elapsed);
            return true;
        });
        if (before_.empty()) {
            return failed ? ExitStatus::FAILED : ExitStatus::DONE;
        }
        if (std::chrono::steady_clock::now() - begin >= patience) {
            throw CommandFailureException(fmt::format("{} of {} applications have not started yet: {}", before_.size(),
                                                      all, status ? late(apps) : "no agent answers"),
                                          ExitStatus::TOO_LATE);
        }
        std::this_thread::sleep_for(INTERVAL);
    }
}

}  // namespace Passenger
