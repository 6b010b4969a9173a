#pragma once

#include <string>
#include <vector>

namespace Passenger {

/** passenger-config. @param words of its command line @return its exit status */
int runConfigProgram(std::vector<std::string> words);

}  // namespace Passenger
