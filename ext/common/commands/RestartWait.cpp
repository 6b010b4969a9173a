#include "commands/RestartWait.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <thread>

#include "commands/CommandFailure.h"
#include "commands/Terminal.h"
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

}  // namespace

RestartWait::Outcome RestartWait::outcome(const AppStatus &before, const AppStatus &now, double elapsed) {
    if ((now.state == "failed" || now.state == "deploy-failed") && now.failure && now.failure->age <= elapsed) {
        return Outcome::FAILED;
    }
    // An application without instances starts with its next request.
    const bool serves = now.state == "serving" || now.state == "paused";
    const bool done = now.state == "down" || (serves && now.version != before.version);
    return done ? Outcome::SERVES : Outcome::UNDER_WAY;
}

int RestartWait::run(ControlClient &client, std::chrono::milliseconds patience) {
    const auto begin = std::chrono::steady_clock::now();
    const std::size_t all = before_.size();
    bool failed = false;
    for (;;) {
        const ServerStatus status = client.status();
        const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        std::erase_if(before_, [&](const AppStatus &before) {
            const auto now = std::find_if(status.apps.begin(), status.apps.end(),
                                          [&before](const AppStatus &app) { return app.name == before.name; });
            // After a crash the next pool process does not know the application at once.
            const Outcome result = now == status.apps.end() ? Outcome::UNDER_WAY : outcome(before, *now, elapsed);
            if (result == Outcome::SERVES) {
                fmt::print("{} serves its new version after {}\n", singleLine(before.name),
                           StatusWords::duration(elapsed));
            } else if (result == Outcome::FAILED) {
                printFailure(*now);
                failed = true;
            }
            return result != Outcome::UNDER_WAY;
        });
        if (before_.empty()) {
            return failed ? ExitStatus::FAILED : ExitStatus::DONE;
        }
        if (std::chrono::steady_clock::now() - begin >= patience) {
            throw CommandFailureException(
                fmt::format("{} of {} applications have not started yet", before_.size(), all), ExitStatus::TOO_LATE);
        }
        std::this_thread::sleep_for(INTERVAL);
    }
}

}  // namespace Passenger
