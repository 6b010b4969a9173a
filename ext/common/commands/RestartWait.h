#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "commands/AgentConnection.h"
#include "control/AppStatus.h"

namespace Passenger {

/** Waits for the new versions of applications. For one thread. */
class RestartWait {
public:
    enum class Outcome { UNDER_WAY, SERVES, IDLE, FAILED };
    /** Called once for each application, when its outcome is known. @param now as the agent tells
     *  it @param elapsed seconds since the first order */
    using Teller = std::function<void(Outcome outcome, const AppStatus &now, double elapsed)>;

    /** @param before the applications, as they were before the order
     *  @param pool the process that got the order */
    RestartWait(const std::vector<AppStatus> &before, std::int64_t pool);

    /**
     * Waits, and tells. A pool process that takes the place of the former gets the order of each
     * application again, until it accepts it. Before that, nothing is known about its outcome.
     * @return the exit status
     * @throws CommandFailureException: the time is over
     */
    int run(AgentConnection &agent, std::chrono::milliseconds patience, const Teller &tell);
    /** A Teller that prints. */
    static void print(Outcome outcome, const AppStatus &now, double elapsed);
    /** @param before, now by one pool process; without a version: the application was unknown to it
     *  @param elapsed seconds since the order */
    static Outcome outcome(const AppStatus &before, const AppStatus &now, double elapsed);

private:
    using Clock = std::chrono::steady_clock;

    struct Awaited {
        AppStatus before;
        Clock::time_point orderedAt;
        /** By the pool process that answers now. */
        bool ordered = true;
    };

    bool orderAgain(AgentConnection &agent, const ServerStatus &status);
    /** @param now nullptr: the agent does not know it */
    static Outcome outcomeOf(const Awaited &app, const AppStatus *now);
    /** The restarts that are still under way, each with the reason. */
    std::string late(const std::vector<AppStatus> &apps) const;

    const Clock::time_point begin_ = Clock::now();
    std::vector<Awaited> awaited_;
    std::int64_t pool_;
};

}  // namespace Passenger
