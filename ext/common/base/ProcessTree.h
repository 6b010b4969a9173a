#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace Passenger {

/** The processes of /proc, or the threads of /proc/PID/task. Empty if the folder cannot be read. */
std::vector<pid_t> pidsIn(const std::string &folder);
/** All processes. */
std::vector<pid_t> allPids();

/** The parent of a process; 0: there is none, or no such process. */
pid_t parentOf(pid_t pid);

/** What the kernel lists of a process. */
struct ListedChildren {
    /** Zombies included. One may be missing if another one ends during the reading. */
    std::vector<pid_t> children;
    std::size_t threads = 0;
};

/**
 * The children of `parent` in the kernel's lists, one for each of its threads. The cost grows with
 * its threads, not with the machine's processes. None if it has ended. Nothing: it has more than
 * `mostThreads` threads, or the kernel lists no children.
 */
std::optional<ListedChildren> listedChildrenOf(pid_t parent, std::size_t mostThreads);

/** The children of `parent` in /proc, zombies included. Empty if /proc cannot be read. One may be
 *  missing if another one ends during the reading. */
std::vector<pid_t> childrenOf(pid_t parent);

/** The children of `ancestor`, their children, and so on, as childrenOf() finds them. */
std::vector<pid_t> descendantsOf(pid_t ancestor);

/**
 * The process of the application that a bridge has started. It is the first child of the bridge's
 * keeper. If that is a shell that waits for one command, it is the command. 0: there is none, or
 * the process is no bridge.
 */
pid_t applicationOf(pid_t bridge);

/**
 * Kills (SIGKILL) and reaps every child of this process until none is left. If this process is a
 * subreaper (PR_SET_CHILD_SUBREAPER), the children of killed processes become its own. So all
 * descendants end, also those in other sessions. The calling process must have a single thread and
 * give up all its ChildProcess objects.
 *
 * @return false if some are left after `timeout`: they wait in the kernel, or the caller may not
 *     kill them
 */
bool killDescendants(std::chrono::milliseconds timeout);

}  // namespace Passenger
