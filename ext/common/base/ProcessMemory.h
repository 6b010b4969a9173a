#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace Passenger {

/** A process's memory in bytes. */
struct ProcessMemory {
    /** In RAM: all, the proportional share, and what no other process has. */
    std::uint64_t resident = 0;
    std::uint64_t proportional = 0;
    std::uint64_t privateClean = 0;
    std::uint64_t privateDirty = 0;
    std::uint64_t swap = 0;
};

/** As proportionalSetSize(), with more values. */
std::optional<ProcessMemory> processMemory(pid_t pid);

/**
 * The memory use of a process in bytes: its proportional set size. Each process counts its share of
 * a page that several processes share. So the sum over an application's instances is their common
 * use.
 *
 * The kernel walks all pages of the process and waits for a lock that the process may hold. That
 * takes milliseconds or longer, so only background threads call this function. Thread-safe.
 *
 * @return nothing if the process has ended, or if it belongs to another user and the caller is not
 *     root
 */
std::optional<std::uint64_t> proportionalSetSize(pid_t pid);

}  // namespace Passenger
