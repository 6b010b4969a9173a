#pragma once

#include <vector>

#include "commands/AgentFinder.h"
#include "commands/MemoryForm.h"

namespace Passenger {

/** Measures the processes of the agents, of their applications and, `withHttpd`, of httpd. Each
 *  process is in one section. Applications that this user may not see are left out. Blocks. */
std::vector<MemorySection> memorySections(const std::vector<RunningAgent> &agents, bool withHttpd);

}  // namespace Passenger
