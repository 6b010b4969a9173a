#include "commands/OverviewForm.h"

#include <fmt/format.h>

#include "commands/AppOrder.h"
#include "commands/Terminal.h"
#include "control/StatusWords.h"

namespace Passenger {

namespace {

constexpr const char *ROW = "{:>5} {:>5} {:>6} {:>8} {:>8} {:>8} {:>8} {:>7} {:>5}  {:<14} {}\n";

std::string row(const AppStatus &app) {
    const auto load = StatusWords::loadOf(app);
    const WindowStatus minute = app.windows.empty() ? WindowStatus() : app.windows.front();
    return fmt::format(fmt::runtime(ROW), app.instances.size(), load.busy, app.queue.waiting,
                       app.queue.waiting > 0 ? StatusWords::duration(app.queue.oldest) : "-",
                       fmt::format("{:.1f}", StatusWords::rateOf(app)), StatusWords::duration(minute.service.p50),
                       StatusWords::duration(minute.service.p99), StatusWords::bytes(load.memory),
                       fmt::format("{}%", cpuOf(app)), app.crashLooping ? "crash-looping" : app.state,
                       singleLine(app.name));
}

}  // namespace

std::string overviewForm(const ServerStatus &status, const FormOptions &options) {
    std::string text = fmt::format("Instances {} of {}, applications {}, waiting for room {}\n\n", status.poolSize,
                                   status.maxPoolSize, status.apps.size(), status.waitingForRoom);
    std::string titles = fmt::format(fmt::runtime(ROW), "INST", "WORK", "QUEUE", "OLDEST", "REQ/S", "P50", "P99", "MEM",
                                     "CPU", "STATE", "APPLICATION");
    titles.pop_back();
    text += header(titles, options.colours) + "\n";
    for (const AppStatus &app : status.apps) {
        text += row(app);
    }
    return text;
}

}  // namespace Passenger
