#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace Passenger {

inline constexpr std::uint64_t MEGABYTE = 1024 * 1024;

/** Memory of a process, or of several, in bytes. */
struct ProcessMemory {
    /** In RAM: all, the proportional share, and what no other process has. */
    std::uint64_t resident = 0;
    std::uint64_t proportional = 0;
    std::uint64_t privateClean = 0;
    std::uint64_t privateDirty = 0;
    std::uint64_t swap = 0;
    /** Of the swapped memory: the proportional share. */
    std::uint64_t swapProportional = 0;
    /** In RAM: what is no part of a file. Pages that other processes share count in full. */
    std::uint64_t anonymous = 0;

    std::uint64_t unshared() const noexcept { return privateClean + privateDirty; }
    /** What the process has allocated. It stays the same when a process that shares pages ends. */
    std::uint64_t allocated() const noexcept { return anonymous + swap; }
    /** What counts for limits. The kernel writes out what is not needed, and has to read it again:
     *  memory that leaks is no less for that. */
    std::uint64_t used() const noexcept { return proportional + swapProportional; }
    ProcessMemory &operator+=(const ProcessMemory &other) noexcept;
};

/** The numbers of a file smaps_rollup. Lines that are missing count as 0. */
ProcessMemory parseMemory(const std::string &text);

/**
 * The memory of a process. In the proportional share each process counts its part of a page that
 * several processes share. So the sum over an application's instances is their common use.
 *
 * The kernel walks all pages of the process and waits for a lock that the process may hold. That
 * takes milliseconds or longer, so only background threads call this function. Thread-safe.
 *
 * @return nothing if the process has ended, or if it belongs to another user and the caller is not
 *     root
 */
std::optional<ProcessMemory> processMemory(pid_t pid);

}  // namespace Passenger
