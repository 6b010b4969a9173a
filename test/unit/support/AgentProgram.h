#pragma once

#include <string>

#include "io/AgentSettings.h"

namespace Passenger {

/** The PassengerRoot of the build folder: the agent's program, and lib/. */
std::string passengerRoot();

/** Settings that start the real agent, with this source tree's spawn server. Restart files are
 *  polled. */
AgentSettings agentSettings();

}  // namespace Passenger
