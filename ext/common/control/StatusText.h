#pragma once

#include <string>

#include "control/ServerStatus.h"

namespace Passenger {

/** Lines of the form `Key: value`, as mod_status has them with `?auto`. The lines of an application
 *  begin with `App[0]`. Times are in seconds, memory in bytes. No value has a line break. */
std::string statusAsText(const ServerStatus &status);

}  // namespace Passenger
