#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace Passenger {

/**
 * Where the threads of a process are, a line for each. It has the name, the state, and the function
 * of the kernel in which the thread waits. For root it also has the kernel's stack (proc(5): comm,
 * stat, wchan, stack). What cannot be read is left out. Never waits for the process.
 */
std::vector<std::string> describeThreads(pid_t process);

}  // namespace Passenger
