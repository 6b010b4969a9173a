#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ProcessMemory.h"

namespace Passenger {

/** A process of /proc. A plain value. */
struct ListedProcess {
    pid_t pid = 0;
    pid_t parent = 0;
    /** Its command line with spaces, or the kernel's name of it in brackets. */
    std::string command;
    /** The last part of its program's path, as far as this user may see it, or its first word. */
    std::string program;
    /** Bytes. */
    std::uint64_t virtualSize = 0;
    /** Nothing: this user may not measure it. */
    std::optional<ProcessMemory> memory;
};

/** All processes but kernel threads, without their memory. Empty if /proc cannot be read. */
std::vector<ListedProcess> listProcesses();
/** The given processes and their descendants, from parent to child. */
std::vector<ListedProcess> familyOf(const std::vector<pid_t> &roots, const std::vector<ListedProcess> &all);

}  // namespace Passenger
