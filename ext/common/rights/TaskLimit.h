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

/** Whether this process may raise limits (CAP_SYS_RESOURCE). Containers often lack that right. */
bool canLift();

/** Gives a process and its descendants the limit of this process. Without effect on those that
 *  have ended. Needs canLift(). */
void lift(pid_t process) noexcept;

}  // namespace Passenger::TaskLimit
