#pragma once

#include "agent/PoolEngine.h"

namespace Passenger {

/**
 * The agent's main(), which runs `passenger-agent SUBCOMMAND`. Errors go to the standard error.
 *
 * @param makeEngine makes the engine of the subcommand `pool`
 * @return the exit status: 0; 1 after a failure; 2 for wrong arguments
 */
int runCommandLine(int argc, char **argv, const PoolEngineFactory &makeEngine);

}  // namespace Passenger
