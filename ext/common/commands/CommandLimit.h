#pragma once

#include <chrono>
#include <optional>

namespace Passenger {

/** For a command that looks at files and processes of other users: any of them can have the kernel
 *  let the command wait, for a lock or for a file system that does not answer. */
inline constexpr std::chrono::seconds COMMAND_LIMIT{300};

/**
 * Forks. The calling process waits for the forked one, and kills it at the limit. Called before
 * anything is printed, by a process with one thread.
 * @return in the forked process nothing: it does the command's work. In the calling one the exit
 *     status
 * @throws CommandFailureException: the forked process has not ended in time
 */
std::optional<int> limitCommand(std::chrono::milliseconds limit = COMMAND_LIMIT);

}  // namespace Passenger
