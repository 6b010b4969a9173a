#pragma once

#include <sys/types.h>

namespace Passenger::BootPriority {

/**
 * The scheduling policy of a process that boots while others serve: SCHED_IDLE (sched(7)). It gets
 * the time that the processors have left, and a process that serves interrupts it at once. Linux
 * keeps the policy for each thread, and new threads and processes inherit it. Where the kernel
 * groups processes by session (autogroup), policies compare the processes of one session. A user's
 * instances and preloaders are in the session of the user's spawn server. The functions read /proc.
 */

/** Whether this process may give the normal policy back (CAP_SYS_NICE), and has it itself.
 *  Containers often lack that right; an administrator may run httpd with another policy. */
bool canRestore();

/** Lowers all threads of a process and of its descendants that have the normal policy. Without
 *  effect on those that have ended. */
void lower(pid_t process);

/** Gives the normal policy to those of them that have the one of lower(). Needs canRestore(). */
void restore(pid_t process);

/** Whether the process or a descendant runs or waits for a processor. Looks at main threads. */
bool wantsProcessor(pid_t process);

}  // namespace Passenger::BootPriority
