#pragma once

#include <string>

#include "commands/PoolForm.h"
#include "control/ServerStatus.h"

namespace Passenger {

/** A line for each application, for `passenger-status --watch`. */
std::string overviewForm(const ServerStatus &status, const FormOptions &options);

}  // namespace Passenger
