#pragma once

#include <sys/types.h>

namespace Passenger::BootPriority {

/**
 * The scheduling policy of a process that boots while others serve: SCHED_IDLE (sched(7)). It gets
 * the time that the processors have left, and a process that serves interrupts it at once. Linux
 * keeps the policy for each thread, and new threads and processes inherit it. Where the kernel
 * groups processes by session (autogroup), policies compare the processes of one session: a user's
 * instances and preloaders are in that of his spawn server. The functions read /proc.
 */

/** Whether this process may give the normal policy back (CAP_SYS_NICE). Containers often lack that
 *  right. */
bool canRestore();

/** Lowers a process that has one thread. @return false: it has ended, or has another policy than
 *  the normal one */
bool lower(pid_t process) noexcept;

/** Gives the normal policy to all threads of a process and of its descendants that have the one of
 *  lower(). Without effect on those that have ended. Needs canRestore(). */
void restore(pid_t process) noexcept;

}  // namespace Passenger::BootPriority
