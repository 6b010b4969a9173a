#pragma once

#include "commands/Arguments.h"

namespace Passenger {

/**
 * `passenger-config agent-check`. Prints the line that HAProxy expects of an agent (agent-check in
 * its configuration manual): what the host can take. Whatever it finds is an answer, also that no
 * agent is running. @return the exit status @throws CommandFailureException: the command line is
 * wrong
 */
int agentCheck(const Arguments &arguments);

}  // namespace Passenger
