#pragma once

#include <string>

#include "control/ServerStatus.h"

namespace Passenger {

/**
 * `passenger-status --show=requests`: for each application what is in work, by instance, and what
 * waits, with ages.
 */
std::string requestsForm(const ServerStatus &status);

}  // namespace Passenger
