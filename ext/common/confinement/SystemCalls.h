#pragma once

#include <span>

namespace Passenger {

/** The names of system calls for SystemCallFilter. Not each processor and kernel has all of
 *  them. */
namespace SystemCalls {

/** What a process that serves may do. */
std::span<const char *const> allowed();

/** What no version of a library calls in such a process: to execute, to change the user, to look
 *  into another process, to change the system. */
std::span<const char *const> deadly();

}  // namespace SystemCalls

}  // namespace Passenger
