#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace Passenger {

/**
 * The processors that a process may use, by their numbers, in order: fewer than the machine has
 * under taskset(1) and in a cpuset, such as that of a container. One if there is no such process.
 * @param pid 0: the calling thread
 */
std::vector<unsigned> processorsOf(pid_t pid = 0);

/**
 * The first line of /proc/stat, but with the times of these processors. The line itself if the file
 * lists no more than so many: lxcfs shows a container its processors under other numbers.
 * @param stat the content of /proc/stat
 */
std::string timesOf(const std::vector<unsigned> &processors, const std::string &stat);

}  // namespace Passenger
