#pragma once

#include <string>
#include <vector>

namespace Passenger {

/** The environment, as NAME=value, of programs that run as other users, who can read it: this
 *  process's PATH, and a locale. */
std::vector<std::string> cleanEnvironment();

}  // namespace Passenger
