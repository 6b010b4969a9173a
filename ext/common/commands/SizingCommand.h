#pragma once

#include "commands/Arguments.h"

namespace Passenger {

/**
 * `passenger-config sizing`. Measures the machine and the agent's applications, and prints a
 * recommendation. @return the exit status @throws CommandFailureException, and what ControlClient
 * throws
 */
int recommendSizes(const Arguments &arguments);

}  // namespace Passenger
