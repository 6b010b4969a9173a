#pragma once

#include <cstring>
#include <string>

#include "apache2/config/Settings.h"
#include "io/AgentSettings.h"

namespace Passenger {

/** The settings that a running agent cannot take over, and the state of the installed files: the
 *  module, passenger-agent and lib/passenger. If either changes, another agent is started. */
struct AgentIdentity {
    char text[1024] = "";

    bool operator==(const AgentIdentity &other) const noexcept { return std::strcmp(text, other.text) == 0; }
};

/** The files that PassengerRoot must have. */
std::string agentCommand(const Settings &settings);
std::string spawnServerCommand(const Settings &settings);

/** The agent's settings, as the directives give them. */
AgentSettings agentSettings(const Settings &settings);
AgentIdentity identityOf(const Settings &settings);

}  // namespace Passenger
