#pragma once

#include <sys/types.h>

#include <chrono>
#include <vector>

namespace Passenger {

/** The processes, dead or alive, whose parent `parent` is, as /proc shows them. Nothing where /proc cannot be read. */
std::vector<pid_t> childrenOf(pid_t parent);

/** The same with their children, and so on. */
std::vector<pid_t> descendantsOf(pid_t ancestor);

/**
 * Kills (SIGKILL) and reaps every child of this process until it has none. Where this process is a subreaper
 * (PR_SET_CHILD_SUBREAPER), the children of the killed become its own, so that in the end all descendants are gone,
 * whatever session they made for themselves. Only for a process with a single thread that gives up all its
 * ChildProcess objects.
 *
 * @return false when some were left after `timeout`: processes that wait in the kernel, or that may not be killed
 */
bool killDescendants(std::chrono::milliseconds timeout);

}  // namespace Passenger
