#pragma once

#include <string>

#include "base/CpuQuota.h"

namespace Passenger {

/**
 * How much of the last ten seconds all processes with work waited for memory at once, in percent.
 * The kernel's pressure stall information (PSI) has it as "full avg10". Thread-safe.
 *
 * @param file /proc/pressure/memory, or memory.pressure of a control group
 * @return 0 if the kernel does not tell
 */
double memoryPressure(const std::string &file);

/**
 * The highest of a process's control group (cgroup v2), and of those groups above it that have a
 * limit (memory.max, memory.high). Without any limit the host's counts, too: with one, as in a
 * container, the kernel is short of memory in the group, and the host's figure tells of other work.
 * @param host the host's file
 */
double ownMemoryPressure(const CgroupFiles &files = {}, const std::string &host = "/proc/pressure/memory");

}  // namespace Passenger
