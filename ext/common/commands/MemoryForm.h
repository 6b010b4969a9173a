#pragma once

#include <string>
#include <vector>

#include "commands/ProcessList.h"

namespace Passenger {

/** Processes that passenger-memory-stats sums up. A plain value. */
struct MemorySection {
    /** "Apache processes"; an application's name with `isApp`. */
    std::string title;
    bool isApp = false;
    std::vector<ListedProcess> processes;
    /** Whether the table has the column PPID. */
    bool showsParents = false;

    /** The memory of the processes that could be measured. */
    ProcessMemory sum() const;
    bool complete() const;
};

std::string memoryForm(const std::vector<MemorySection> &sections, bool colours);
/** The tables and sums as JSON, in bytes. */
std::string memoryJson(const std::vector<MemorySection> &sections);

}  // namespace Passenger
