#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/Arguments.h"
#include "control/ControlClient.h"
#include "control/ServerStatus.h"

namespace Passenger {

/**
 * The status of one agent for a command that waits. The end of the pool process ends its control
 * connections; this object connects to the next one. Blocks. For one thread.
 */
class StatusSource {
public:
    /** @param arguments name the agent, and outlive this object @param client of this agent */
    StatusSource(const Arguments &arguments, ControlClient client)
        : arguments_(arguments), client_(std::move(client)) {}

    /** Nothing: no agent answers now. */
    std::optional<ServerStatus> look();
    /** Orders again what the pool process that has ended may not have done. @return false: it was
     *  refused, or no agent answers */
    bool orderAgain(const std::vector<std::string> &order);

private:
    template <typename Question>
    auto ask(Question question) -> std::optional<decltype(question(std::declval<ControlClient &>()))>;

    const Arguments &arguments_;
    std::optional<ControlClient> client_;
};

}  // namespace Passenger
