#pragma once

#include <string_view>
#include <vector>

#include "control/AppStatus.h"

namespace Passenger {

/**
 * Orders the applications: by `requests` (a second), `queue`, `memory` or `cpu`, the largest first,
 * or by `name`. Equal ones are ordered by name.
 */
void sortApps(std::vector<AppStatus> &apps, std::string_view key);
/** Per cent of one core that an application's instances have used since their start. */
unsigned cpuOf(const AppStatus &app);

}  // namespace Passenger
