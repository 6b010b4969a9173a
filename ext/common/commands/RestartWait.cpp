#include "commands/RestartWait.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/Clock.h"
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

/** An instance that was taken over from an earlier pool process has the old version. */
bool newServes(const AppStatus &app) {
    return std::any_of(app.instances.begin(), app.instances.end(), [&app](const InstanceStatus &one) {
        return one.state == "serving" && one.version == app.version && !one.adopted;
    });
}

/** Whether it waits for its next request or the end of its pause, without an instance or with those
 *  that an earlier pool process has left. */
bool isIdle(const AppStatus &app) {
    const bool none = app.state == "down" || app.state == "paused";
    return none && std::all_of(app.instances.begin(), app.instances.end(),
                               [](const InstanceStatus &one) { return one.state == "standby"; });
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
std::string reasonOf(const AppStatus &app) {
    const auto old = std::find_if(app.instances.begin(), app.instances.end(),
                                  [](const InstanceStatus &one) { return one.state == "draining"; });
    if (app.starting == 0 && old != app.instances.end()) {
        return fmt::format("the old instance {} has not ended", old->pid);
    }
    return StatusWords::state(app);
}

/** The version that served before the order. A new pool process may take the instances of an
 *  unknown application over just before it gets the order: they have its first version. */
std::uint64_t versionBefore(const AppStatus &before, const AppStatus &now) {
    const bool tookOver = before.version == 0 && now.counters.restarts > 0;
    return tookOver ? 1 : before.version;
}

}  // namespace

RestartWait::RestartWait(const std::vector<AppStatus> &before, std::int64_t pool) : pool_(pool) {
    for (const AppStatus &app : before) {
        awaited_.push_back({app, begin_});
    }
}

RestartWait::Outcome RestartWait::outcome(const AppStatus &before, const AppStatus &now, double elapsed) {
    const bool changed = now.version != versionBefore(before, now);
    if (changed && newServes(now)) {
        return Outcome::SERVES;
    }
    const bool failed = now.failure && now.failure->age <= elapsed;
    const bool underWay = now.state == "starting" || now.deploys();
    if (failed && !underWay) {
        return Outcome::FAILED;
    }
    // Instances that served are replaced, perhaps after the old ones have ended. An application
    // without any starts with its next request, and so does one whose new instance has ended since.
    const bool replaced = anyServes(before, before.version) && now.counters.spawned == before.counters.spawned;
    return isIdle(now) && !replaced ? Outcome::IDLE : Outcome::UNDER_WAY;
}

std::string RestartWait::late(const std::vector<AppStatus> &apps) const {
    std::string text;
    for (const Awaited &app : awaited_) {
        const std::string &name = app.before.name;
        const AppStatus *const now = find(apps, name);
        text += fmt::format(
            "{}{} ({})", text.empty() ? "" : ", ", singleLine(name),
            app.ordered && now != nullptr ? reasonOf(*now) : "the new pool process has not accepted the order");
    }
    return text;
}

void RestartWait::print(Outcome outcome, const AppStatus &now, double elapsed) {
    if (outcome == Outcome::SERVES) {
        fmt::print("{} serves its new version after {}\n", singleLine(now.name), StatusWords::duration(elapsed));
    } else if (outcome == Outcome::IDLE) {
        fmt::print("{} has {}; its next request starts the new version\n", singleLine(now.name),
                   now.instances.empty() ? "no instance" : "had no request since the pool process was replaced");
    } else if (outcome == Outcome::FAILED) {
        printFailure(now);
    }
}

/** An owner's order is refused until a request has made the application known.
 *  @return whether an order was accepted: the status is older */
bool RestartWait::orderAgain(AgentConnection &agent, const ServerStatus &status) {
    bool accepted = false;
    for (Awaited &app : awaited_) {
        app.ordered = app.ordered && status.poolPid == pool_;
        if (!app.ordered && agent.orderAgain({ControlVerb::RESTART, app.before.name})) {
            const AppStatus *const known = find(status.apps, app.before.name);
            AppStatus before = known == nullptr ? AppStatus() : *known;
            before.name = app.before.name;
            app = {std::move(before), Clock::now()};
            accepted = true;
        }
    }
    pool_ = status.poolPid;
    return accepted;
}

RestartWait::Outcome RestartWait::outcomeOf(const Awaited &app, const AppStatus *now) {
    if (!app.ordered) {
        return Outcome::UNDER_WAY;
    }
    if (now == nullptr) {
        // Forgotten, or the instances that a former pool process had left have ended.
        return Outcome::IDLE;
    }
    return outcome(app.before, *now, inSeconds(Clock::now() - app.orderedAt));
}

int RestartWait::run(AgentConnection &agent, std::chrono::milliseconds patience, const Teller &tell) {
    const std::size_t all = awaited_.size();
    bool failed = false;
    for (;;) {
        const std::optional<ServerStatus> status = agent.look();
        if (status && orderAgain(agent, *status)) {
            continue;
        }
        if (status) {
            const double elapsed = inSeconds(Clock::now() - begin_);
            std::erase_if(awaited_, [&](const Awaited &app) {
                const AppStatus *const now = find(status->apps, app.before.name);
                const Outcome result = outcomeOf(app, now);
                if (result == Outcome::UNDER_WAY) {
                    return false;
                }
                failed = failed || result == Outcome::FAILED;
                tell(result, now == nullptr ? app.before : *now, elapsed);
                return true;
            });
        }
        if (awaited_.empty()) {
            return failed ? ExitStatus::FAILED : ExitStatus::DONE;
        }
        if (Clock::now() - begin_ >= patience) {
            throw CommandFailureException(
                fmt::format("{} of {} not started yet: {}", awaited_.size(), StatusWords::counted(all, "application"),
                            status ? late(status->apps) : "no agent answers"),
                ExitStatus::TOO_LATE);
        }
        std::this_thread::sleep_for(INTERVAL);
    }
}

}  // namespace Passenger
