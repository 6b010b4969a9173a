#include "commands/OverviewForm.h"

#include <fmt/format.h>

#include "base/Lists.h"
#include "commands/AppOrder.h"
#include "commands/Terminal.h"
#include "control/StatusWords.h"

namespace Passenger {

namespace {

// The name has 20 columns of a small terminal.
constexpr const char *ROW = "{:>6} {:>5} {:>7} {:>7} {:>7} {:>7} {:>7} {:>5}  {}\n";

/** A state that needs attention stands before the name. */
std::string titleOf(const AppStatus &app) {
    const std::string state = app.crashLooping ? "crash-looping" : app.state;
    return state == "serving" ? singleLine(app.name) : fmt::format("[{}] {}", state, singleLine(app.name));
}

std::string row(const AppStatus &app) {
    const auto load = StatusWords::loadOf(app);
    const WindowStatus minute = app.windows.empty() ? WindowStatus() : app.windows.front();
    return fmt::format(fmt::runtime(ROW), fmt::format("{}/{}", load.busy, app.instances.size()), app.queue.waiting,
                       app.queue.waiting > 0 ? StatusWords::duration(app.queue.oldest) : "-",
                       fmt::format("{:.1f}", StatusWords::rateOf(app)), StatusWords::duration(minute.service.p50),
                       StatusWords::duration(minute.service.p99), StatusWords::bytes(load.memory),
                       fmt::format("{}%", cpuOf(app)), titleOf(app));
}

}  // namespace

std::string overviewForm(const ServerStatus &status, const FormOptions &options) {
    std::string text = fmt::format("Instances {} of {}, applications {}, waiting for room {}\n\n", status.poolSize,
                                   status.maxPoolSize, status.apps.size(), status.waitingForRoom);
    std::string titles =
        fmt::format(fmt::runtime(ROW), "WORK", "QUEUE", "OLDEST", "REQ/S", "P50", "P99", "MEM", "CPU", "APPLICATION");
    titles.pop_back();
    return sumOf(text + header(titles, options.colours) + "\n", status.apps, row);
}

}  // namespace Passenger
