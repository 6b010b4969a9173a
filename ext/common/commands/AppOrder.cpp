#include "commands/AppOrder.h"

#include <algorithm>

#include "base/Lists.h"
#include "control/InstanceFigures.h"
#include "control/StatusWords.h"

namespace Passenger {

namespace {

double weight(const AppStatus &app, std::string_view key) {
    if (key == "requests") {
        return StatusWords::rateOf(app);
    }
    if (key == "queue") {
        return app.queue.waiting;
    }
    if (key == "memory") {
        return static_cast<double>(StatusWords::loadOf(app).memory);
    }
    return key == "cpu" ? cpuOf(app) : 0;
}

}  // namespace

void sortApps(std::vector<AppStatus> &apps, std::string_view key) {
    std::sort(apps.begin(), apps.end(), [key](const AppStatus &a, const AppStatus &b) {
        const double left = weight(a, key);
        const double right = weight(b, key);
        return left > right || (left == right && a.name < b.name);
    });
}

unsigned cpuOf(const AppStatus &app) {
    return sumOf(0U, app.instances, cpuPercent);
}

}  // namespace Passenger
