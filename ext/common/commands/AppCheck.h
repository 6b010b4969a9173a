#pragma once

#include <vector>

#include "commands/InstallCheck.h"
#include "control/ServerStatus.h"

namespace Passenger {

/**
 * What an application needs for its start: its folder, its startup file, its interpreter and native
 * code, as the running agent knows them. Blocks: it runs interpreters, as root only those that no
 * other user can replace.
 */
std::vector<Finding> checkApp(const AppStatus &app);

/** Whether instances of this Ruby find native code. A Ruby that does not run has no finding. */
std::vector<Finding> checkNativeCode(const std::string &subject, const std::string &ruby);

}  // namespace Passenger
