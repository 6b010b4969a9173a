#pragma once

#include <string>
#include <vector>

namespace Passenger {

/** passenger-memory-stats. @param words of its command line @return its exit status */
int runMemoryProgram(const std::vector<std::string> &words);

}  // namespace Passenger
