#pragma once

#include <string>
#include <vector>

#include "commands/Arguments.h"
#include "control/AppStatus.h"

namespace Passenger {

/**
 * The applications that the command line means: `--name`, `--all`, or all whose root begins with
 * the operand; "." is the current folder.
 *
 * @return perhaps none: no such application runs @throws CommandFailureException: the command line
 *     names none, or two kinds
 */
std::vector<AppStatus> selectApps(const Arguments &arguments, const std::vector<AppStatus> &apps);
/** Says that selectApps() has found nothing, and what there is. */
std::string noSuchApp(const Arguments &arguments, const std::vector<AppStatus> &apps);

}  // namespace Passenger
