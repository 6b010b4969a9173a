#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace Passenger {

/** /proc/PID/task/TID of each thread. @param folder as /proc/PID */
std::vector<std::filesystem::path> threadFoldersIn(const std::filesystem::path &folder);

/**
 * Where the threads of a process are, a line for each: its name, its state, the function of the
 * kernel in which it waits, and, for root, the kernel's stack (proc(5): comm, stat, wchan, stack).
 * What cannot be read is left out. Never waits for the process.
 */
std::vector<std::string> describeThreads(pid_t process);

}  // namespace Passenger
