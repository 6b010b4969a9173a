#pragma once

#include <string>
#include <vector>

namespace Passenger {

/** passenger-status. @param words of its command line @return its exit status */
int runStatusProgram(const std::vector<std::string> &words);

}  // namespace Passenger
