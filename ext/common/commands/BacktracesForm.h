#pragma once

#include <string>

#include "control/ControlClient.h"

namespace Passenger {

/**
 * `passenger-status --show=backtraces`: asks all instances that the asker may see where their
 * threads are, and waits for their answers, for three seconds at most.
 * @throws as ControlClient's methods
 */
std::string backtracesForm(ControlClient &agent);

}  // namespace Passenger
