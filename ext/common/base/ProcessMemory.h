#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace Passenger {

/**
 * How much memory a process costs, in bytes: its proportional set size, in which a page that several processes share counts in each of
 * them for its part only. So the sum over an application's instances is what they take together.
 *
 * The kernel walks all of the process's pages for it and waits for a lock that the process may hold: milliseconds, or longer. Background
 * threads only. Thread-safe.
 *
 * @return nothing when the process has ended or may not be asked: it is another user's and we are not root
 */
std::optional<std::uint64_t> proportionalSetSize(pid_t pid);

}  // namespace Passenger
