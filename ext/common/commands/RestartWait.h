#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "commands/AgentConnection.h"
#include "control/AppStatus.h"

namespace Passenger {

/** Waits for the new versions of applications. For one thread. */
class RestartWait {
public:
    enum class Outcome { UNDER_WAY, SERVES, IDLE, FAILED };
    /** Called once for each application, when its outcome is known. @param now as the agent tells
     *  it @param elapsed seconds since the order */
    using Teller = std::function<void(Outcome outcome, const AppStatus &now, double elapsed)>;

    /** @param before the applications, as they were before the order
     *  @param pool the process that got the order */
    RestartWait(std::vector<AppStatus> before, std::int64_t pool) : before_(std::move(before)), pool_(pool) {}

    /**
     * Waits, and tells. The order is repeated to a pool process that takes the place of the former.
     * @return the exit status
     * @throws CommandFailureException: the time is over
     */
    int run(AgentConnection &agent, std::chrono::milliseconds patience, const Teller &tell);
    /** A Teller that prints. */
    static void print(Outcome outcome, const AppStatus &now, double elapsed);
    /** @param elapsed seconds since the order */
    static Outcome outcome(const AppStatus &before, const AppStatus &now, double elapsed);

private:
    /** The restarts that are still under way, each with the reason. */
    std::string late(const std::vector<AppStatus> &apps) const;

    std::vector<AppStatus> before_;
    std::int64_t pool_;
};

}  // namespace Passenger
