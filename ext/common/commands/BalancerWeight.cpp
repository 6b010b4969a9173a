#include "commands/BalancerWeight.h"

#include <algorithm>
#include <cmath>

namespace Passenger {

namespace {

constexpr unsigned STEP = 5;
constexpr double FULL = 100;
/** From this use on the weight falls. */
constexpr double EASY = 0.5;
/** A wait of so many seconds halves the weight. */
constexpr double WAIT = 0.2;

/** Instances that could be started for the application now. */
unsigned startable(const ServerStatus &status, const AppStatus &app) {
    const unsigned room = status.maxPoolSize - std::min(status.maxPoolSize, status.poolSize);
    if (app.maxInstances == 0) {
        return room;
    }
    const auto have = static_cast<unsigned>(app.instances.size()) + app.starting;
    return std::min(room, app.maxInstances - std::min(app.maxInstances, have));
}

/** The part of the application's instances, started or not, that is busy: 0 to 1. */
double useOf(const ServerStatus &status, const AppStatus &app) {
    double busy = 0;
    double slots = 0;
    unsigned concurrency = 1;
    for (const InstanceStatus &instance : app.instances) {
        // Others finish what they have, beside these.
        if (instance.state == "serving") {
            concurrency = std::max(1U, instance.concurrency);
            busy += instance.sessions;
            slots += concurrency;
        }
    }
    slots += static_cast<double>(concurrency) * startable(status, app);
    return slots > 0 ? std::min(1.0, busy / slots) : 0;
}

}  // namespace

double processorUse(const ProcessorTimes &before, const ProcessorTimes &after) {
    const auto grown = [](std::uint64_t from, std::uint64_t to) { return to - std::min(from, to); };
    const std::uint64_t passed = grown(before.all, after.all);
    const std::uint64_t idle = grown(before.idle + before.wait, after.idle + after.wait);
    return passed == 0 ? 0 : 1 - static_cast<double>(std::min(idle, passed)) / static_cast<double>(passed);
}

unsigned balancerWeight(const ServerStatus &status, double use) {
    double oldest = 0;
    for (const AppStatus &app : status.apps) {
        use = std::max(use, useOf(status, app));
        oldest = std::max(oldest, app.queue.waiting > 0 ? app.queue.oldest : 0);
    }
    return inWeightSteps(FULL * (1 - std::max(0.0, use - EASY)) / (1 + oldest / WAIT));
}

unsigned inWeightSteps(double weight) {
    return std::max(STEP, static_cast<unsigned>(std::lround(weight / STEP)) * STEP);
}

}  // namespace Passenger
