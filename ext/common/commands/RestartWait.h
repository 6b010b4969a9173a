#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "control/AppStatus.h"
#include "control/ControlClient.h"

namespace Passenger {

/** Waits for the new versions of applications. For one thread. */
class RestartWait {
public:
    enum class Outcome { UNDER_WAY, SERVES, IDLE, FAILED };
    /** Called once for each application, when its outcome is known. @param now as the agent tells
     *  it @param elapsed seconds since the order */
    using Teller = std::function<void(Outcome outcome, const AppStatus &now, double elapsed)>;

    /** Made before the restart is ordered. */
    explicit RestartWait(std::vector<AppStatus> before) : before_(std::move(before)) {}

    /**
     * Waits, and tells. @return the exit status
     * @throws CommandFailureException: the time is over. What ControlClient throws
     */
    int run(ControlClient &client, std::chrono::milliseconds patience, const Teller &tell);
    /** A Teller that prints. */
    static void print(Outcome outcome, const AppStatus &now, double elapsed);
    /** @param elapsed seconds since the order */
    static Outcome outcome(const AppStatus &before, const AppStatus &now, double elapsed);

private:
    /** The restarts that are still under way, each with the reason. */
    std::string late(const std::vector<AppStatus> &apps) const;

    std::vector<AppStatus> before_;
};

}  // namespace Passenger
