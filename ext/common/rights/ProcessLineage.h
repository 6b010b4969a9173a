#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger::ProcessLineage {

/** Whether the pool process may have the rights process act on another process. The functions
 *  read /proc. */

/** The pid of a pidfd's process. -1: the process has ended. 0: the descriptor is no pidfd. */
pid_t pidOf(const FileDescriptor &pidFd);

/** The real user of a process; nothing: it has ended. */
std::optional<uid_t> userOf(pid_t pid);

/**
 * Why the process is none of an application: it does not descend from the agent, or runs as root.
 * @param agent the anchor, from which all processes of the agent descend
 * @return empty: it is one of an application
 */
std::string refusal(pid_t pid, pid_t agent);
/** As refusal(), for signals: a set-user-ID program that an application has executed gets them. Its
 *  real user is the application's. */
std::string signalRefusal(pid_t pid, pid_t agent);

}  // namespace Passenger::ProcessLineage
