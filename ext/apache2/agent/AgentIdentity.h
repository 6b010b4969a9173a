#pragma once

#include <cstring>
#include <string>

#include "apache2/config/Settings.h"
#include "io/AgentSettings.h"

namespace Passenger {

/** What an agent was started with and cannot be told anew, and which files were installed then: the module, passenger-agent, lib/passenger. Another value needs
 *  another agent. */
struct AgentIdentity {
    char text[1024] = "";

    bool operator==(const AgentIdentity &other) const noexcept {
        return std::strcmp(text, other.text) == 0;
    }
};

/** The files that PassengerRoot has to have. */
std::string agentCommand(const Settings &settings);
std::string spawnServerCommand(const Settings &settings);

/** What the directives tell an agent. */
AgentSettings agentSettings(const Settings &settings);
AgentIdentity identityOf(const Settings &settings);

}  // namespace Passenger
