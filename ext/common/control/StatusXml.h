#pragma once

#include <string>

#include "control/ServerStatus.h"

namespace Passenger {

/**
 * The status as `passenger-status --show=xml` has it: the elements of Phusion Passenger 6 that
 * monitoring plugins read, UTF-8. Memory is in KiB. An element whose value the agent does not know
 * is left out.
 */
std::string statusXml(const ServerStatus &status);

}  // namespace Passenger
