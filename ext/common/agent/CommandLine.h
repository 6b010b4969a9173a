#pragma once

#include "agent/PoolEngine.h"

namespace Passenger {

/**
 * The agent's main(): what `passenger-agent SUBCOMMAND` does. Errors go to the standard error.
 *
 * @param makeEngine what the subcommand `pool` runs
 * @return the exit status: 0; 1 when something failed; 2 when it was called in a wrong way
 */
int runCommandLine(int argc, char **argv, const PoolEngineFactory &makeEngine);

}  // namespace Passenger
