#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/FileDescriptor.h"

namespace Passenger::TaskLimit {

/**
 * How many processes and threads a user may have while a process of his boots (RLIMIT_NPROC). The
 * kernel counts all tasks of the user; the limit holds for the process and what it starts. The
 * functions read /proc.
 */

/** The processes and threads of a user. */
std::uint64_t tasksOf(uid_t user);

/** A limit of `more` tasks than the user has now, but no more than this process's own. */
std::uint64_t above(uid_t user, unsigned more);

/**
 * Whether this process may raise limits (CAP_SYS_RESOURCE), and sees all tasks that the kernel
 * counts. Containers often lack that right. A user namespace has the capability without effect. In
 * a PID namespace the tasks of the user that are outside of it count, but /proc does not show them.
 */
bool canLift();

/** Gives a process and its descendants the limit of this process. Without effect on those that
 *  have ended. @throws SystemException: a limit stays */
void lift(pid_t process);

}  // namespace Passenger::TaskLimit
