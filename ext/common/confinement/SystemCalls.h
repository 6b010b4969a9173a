#pragma once

#include <span>

namespace Passenger {

/** The names of system calls for SystemCallFilter. Not each processor and kernel has all of
 *  them. */
namespace SystemCalls {

/** What processes that serve were observed to call: each of them may do it. */
std::span<const char *const> observed();

/** What libraries call on other systems: each process that serves may do it, too. */
std::span<const char *const> usedElsewhere();

/** What no version of a library calls in such a process: to change the user, to look
 *  into another process, to change the system. */
std::span<const char *const> fatal();

/** To execute is as fatal, except in a program that may execute others. */
std::span<const char *const> fatalUnlessExecuting();

/** What an interpreter needs beside these, and what starts it: Ruby, a shell, a wrapper. */
std::span<const char *const> forInterpreters();

}  // namespace SystemCalls

}  // namespace Passenger
