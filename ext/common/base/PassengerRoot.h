#pragma once

#include <string>

namespace Passenger {

/**
 * The folder of the installation that has this file. The candidates are the folder that
 * PASSENGER_ROOT names, then `root` beside this program in a build folder, then the folder of `make
 * install`. Blocks on the file system.
 *
 * @param file its path in the folder @throws IOException: no such folder has it
 */
std::string passengerRootWith(const std::string &file);

}  // namespace Passenger
