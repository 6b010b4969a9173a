#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/AgentFinder.h"
#include "commands/Arguments.h"
#include "control/ControlClient.h"
#include "control/ServerStatus.h"

namespace Passenger {

/**
 * The orders of a command to one agent. The end of the pool process ends its control connections;
 * this object then connects to the next pool process, and orders again what the former one may not
 * have done. Blocks. For one thread.
 */
class AgentConnection {
public:
    /** Waits some seconds for a pool process. @param arguments name the agent, and outlive this
     *  object
     *  @throws AbsentAgentException (none has come), CommandFailureException */
    explicit AgentConnection(const Arguments &arguments);

    /** The agent as it was when this object was made. */
    const RunningAgent &agent() const noexcept { return agent_; }

    // These wait some seconds for the next pool process. They throw what ControlClient throws.
    Frame order(const std::vector<std::string> &order);
    std::string text(const std::vector<std::string> &order);
    ServerStatus status(const std::string &app = {}, ControlClient::Detail detail = ControlClient::Detail::USUAL);

    // For a command that looks again in any case.
    /** Nothing: no agent answers now. */
    std::optional<ServerStatus> look();
    /** @return false: the order was refused, or no agent answers */
    bool orderAgain(const std::vector<std::string> &order);

private:
    template <typename Question> using AnswerTo = decltype(std::declval<Question>()(std::declval<ControlClient &>()));

    template <typename Question> AnswerTo<Question> ask(Question question);
    template <typename Question> AnswerTo<Question> askPatiently(Question question);
    template <typename Question> std::optional<AnswerTo<Question>> tryToAsk(Question question);

    const Arguments &arguments_;
    RunningAgent agent_;
    std::optional<ControlClient> client_;
};

}  // namespace Passenger
