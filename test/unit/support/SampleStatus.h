#pragma once

#include <string>
#include <vector>

#include "control/ServerStatus.h"

namespace Passenger {

/** An application that serves: two instances, three windows, a day of points. */
AppStatus sampleApp(const std::string &root);
/** A server with these applications. */
ServerStatus sampleStatus(std::vector<AppStatus> apps);

}  // namespace Passenger
