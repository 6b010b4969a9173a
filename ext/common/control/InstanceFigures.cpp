#include "control/InstanceFigures.h"

#include <algorithm>

namespace Passenger {

double idleFor(const InstanceStatus &instance, double now) {
    return instance.sessions > 0 ? 0 : std::clamp(now - instance.lastUsed, 0.0, std::max(instance.age, 0.0));
}

unsigned cpuPercent(const InstanceStatus &instance) {
    constexpr double PER_CENT = 100;
    return instance.age > 0 ? static_cast<unsigned>(instance.cpuTime / instance.age * PER_CENT) : 0;
}

}  // namespace Passenger
