#pragma once

#include <vector>

#include "commands/Arguments.h"
#include "commands/InstallCheck.h"
#include "control/AppStatus.h"

namespace Passenger {

/**
 * The applications of httpd's configuration, as httpd's program finds them when it reads the
 * configuration anew. No server has to run. A plain value.
 */
struct ConfiguredApps {
    /** What an application needs for its start; all else is empty. */
    std::vector<AppStatus> apps;
    /** About the configuration, and about URLs that no application serves by mistake. */
    std::vector<Finding> findings;

    /** Blocks as HttpdAnswer. */
    static ConfiguredApps of(const Arguments &arguments);
};

}  // namespace Passenger
