#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "commands/AgentFinder.h"
#include "commands/Arguments.h"
#include "control/AppStatus.h"
#include "control/ControlClient.h"

namespace Passenger {

/**
 * The other agents of an httpd. Those of before a reload serve while a child of before has a
 * connection. There is none where the command line names an agent. Blocks. For one thread.
 */
class EarlierAgents {
public:
    /** @param arguments outlive this object */
    EarlierAgents(const Arguments &arguments, const RunningAgent &newest) : arguments_(arguments), newest_(newest) {}

    /** Tells on stderr what fails. */
    void reopenLogs() const;
    /** Orders it about each of these applications that an agent knows. Waits some seconds for an
     *  agent whose pool process is being replaced. A refusal counts only for an application that
     *  takesRequests(). @return what has failed, for people; empty: nothing */
    std::string order(const std::vector<AppStatus> &apps, const char *verb,
                      const std::vector<std::string> &more = {}) const;
    /** The applications of all. Nothing: one of the agents lives, and does not tell. */
    std::optional<std::vector<AppStatus>> apps() const;
    /** Whether requests wait there, or may begin. An agent also tells of applications that it has
     *  forgotten but for a drain, or of which only instances are left that end. */
    static bool takesRequests(const AppStatus &app);

private:
    using Question = std::function<void(const RunningAgent &agent, ControlClient &client)>;
    using Failed = std::function<void(const RunningAgent &agent, const char *why)>;

    void each(const Question &what, const Failed &failed) const;

    const Arguments &arguments_;
    const RunningAgent newest_;
};

}  // namespace Passenger
