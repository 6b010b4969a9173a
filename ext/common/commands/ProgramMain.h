#pragma once

#include <functional>
#include <string>
#include <vector>

namespace Passenger {

/**
 * The main() of a command: runs it, and prints its failure to stderr, and with --json to stdout.
 * @return the exit status
 */
int runProgram(const char *name, int argc, char **argv, const std::function<int(std::vector<std::string>)> &run);

}  // namespace Passenger
