#include "support/AgentProgram.h"

#include <cstdlib>
#include <filesystem>

namespace Passenger {

std::string passengerRoot() {
    const char *root = std::getenv("PASSENGER_ROOT");
    return root != nullptr ? root : std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../../root";
}

AgentSettings agentSettings() {
    AgentSettings settings;
    settings.spawnServerCommand = passengerRoot() + "/lib/passenger/spawn/spawn_server.rb";
    settings.agentCommand = passengerRoot() + "/passenger-agent";
    settings.statThrottleRate = std::chrono::seconds(0);
    return settings;
}

}  // namespace Passenger
