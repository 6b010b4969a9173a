#include "control/InstanceFigures.h"

#include <algorithm>

namespace Passenger {

double idleFor(const InstanceStatus &instance, double now) {
    return instance.sessions > 0 ? 0 : std::clamp(now - instance.lastUsed, 0.0, std::max(instance.age, 0.0));
}

unsigned cpuPercent(const InstanceStatus &instance) {
    constexpr double PER_CENT = 100;
    return instance.processAge > 0 ? static_cast<unsigned>(instance.cpuTime / instance.processAge * PER_CENT) : 0;
}

}  // namespace Passenger
