#include "control/InstanceFigures.h"

#include <algorithm>

namespace Passenger {

std::uint64_t shareOfRequests(const AppStatus &app, std::size_t index) {
    const std::uint64_t count = app.instances.size();
    return app.counters.requests / count + (index < app.counters.requests % count ? 1 : 0);
}

double idleFor(const AppStatus &app, const InstanceStatus &instance, double now) {
    return instance.sessions > 0 ? 0 : std::clamp(now - app.lastUsed, 0.0, instance.age);
}

unsigned cpuPercent(const InstanceStatus &instance) {
    constexpr double PER_CENT = 100;
    return instance.age > 0 ? static_cast<unsigned>(instance.cpuTime / instance.age * PER_CENT) : 0;
}

}  // namespace Passenger
