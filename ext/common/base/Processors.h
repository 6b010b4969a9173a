#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace Passenger {

/**
 * The processors that a process may use, by their numbers, in order: fewer than the machine has
 * under taskset(1) and in a cpuset, such as that of a container. One if there is no such process.
 * @param pid 0: the calling thread
 */
std::vector<unsigned> processorsOf(pid_t pid = 0);

/** Times of processors since the machine's start, in ticks (proc(5)). */
struct ProcessorTimes {
    /** Of processes with a low priority. */
    std::uint64_t nice = 0;
    std::uint64_t idle = 0;
    /** Idle, while a process waits for a disk. Sometimes falls. */
    std::uint64_t wait = 0;
    /** These and all others: user, system, irq, softirq, steal. */
    std::uint64_t all = 0;
};

/**
 * The times of these processors together. Of all if the file lists no more than so many: lxcfs
 * shows a container its processors under other numbers.
 * @param stat the content of /proc/stat
 */
ProcessorTimes timesOf(const std::vector<unsigned> &processors, const std::string &stat);

}  // namespace Passenger
