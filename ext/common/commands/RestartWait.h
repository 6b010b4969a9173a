#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "control/ControlClient.h"
#include "control/ServerStatus.h"

namespace Passenger {

/** Waits for the new versions of applications. For one thread. */
class RestartWait {
public:
    enum class Outcome { UNDER_WAY, SERVES, IDLE, FAILED };

    /** Made before the restart is ordered. */
    explicit RestartWait(std::vector<AppStatus> before) : before_(std::move(before)) {}

    /**
     * Prints each application's outcome. @return the exit status
     * @throws what ControlClient throws
     */
    int run(ControlClient &client, std::chrono::milliseconds patience);
    /** @param elapsed seconds since the order */
    static Outcome outcome(const AppStatus &before, const AppStatus &now, double elapsed);

private:
    /** Those that are still under way, each with the reason. */
    std::string late(const std::vector<AppStatus> &apps) const;

    std::vector<AppStatus> before_;
};

}  // namespace Passenger
