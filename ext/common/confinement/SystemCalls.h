#pragma once

#include <span>

namespace Passenger {

/** The names of system calls for SystemCallFilter. Not each processor and kernel has all of
 *  them. */
namespace SystemCalls {

/** What each process that serves may do, since it was seen to. */
std::span<const char *const> seen();

/** What it may do beside that, for libraries that behave in another way elsewhere. */
std::span<const char *const> unseen();

/** What no version of a library calls in such a process: to change the user, to look
 *  into another process, to change the system. */
std::span<const char *const> deadly();

/** To execute is as deadly, except in a program that may execute others. */
std::span<const char *const> deadlyBesidePrograms();

/** What an interpreter needs beside these, and what starts it: Ruby, a shell, a wrapper. */
std::span<const char *const> ofPrograms();

}  // namespace SystemCalls

}  // namespace Passenger
