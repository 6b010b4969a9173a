#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>

namespace Passenger {

/** From the clock ticks of ProcessStat. */
std::chrono::nanoseconds cpuTimeOfTicks(std::uint64_t ticks);

/** The time since the start of a process. Zero: there is no such process, or /proc does not tell
 *  it. */
std::chrono::nanoseconds ageOf(pid_t pid);

/** The CPU time that a process has used. Nothing: there is no such process, or /proc does not tell
 *  it. */
std::optional<std::chrono::nanoseconds> cpuTimeOf(pid_t pid);

/**
 * The CPU time of a process, of its descendants, and of the ended ones that were waited for. Looks
 * at no other process. Nothing as for cpuTimeOf(). Nothing also if it has more than 100
 * descendants, all together have more than 1,000 threads, or the kernel does not list children
 * (CONFIG_PROC_CHILDREN).
 */
std::optional<std::chrono::nanoseconds> cpuTimeOfFamily(pid_t pid);

}  // namespace Passenger
