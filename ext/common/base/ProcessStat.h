#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace Passenger {

/** What /proc/PID/stat tells of a process (proc_pid_stat(5)). */
struct ProcessStat {
    /** The program's, or what the process calls itself. At most 15 characters, of any kind. */
    std::string name;
    /** 'R': it runs or wants a processor. 'Z': it has ended, and nobody has waited for it. */
    char state = '?';
    pid_t parent = 0;
    /** The CPU time of all its threads, in clock ticks. */
    std::uint64_t userTime = 0;
    std::uint64_t systemTime = 0;
    /** The CPU time of children that have ended and were waited for, and of their children. */
    std::uint64_t userTimeOfEnded = 0;
    std::uint64_t systemTimeOfEnded = 0;
    /** When it was started, in clock ticks since the machine's boot. */
    std::uint64_t startTime = 0;
    /** Bytes. 0: the process belongs to the kernel, or has ended. */
    std::uint64_t virtualSize = 0;

    /** Nothing: there is no such process, or /proc does not tell. */
    static std::optional<ProcessStat> of(pid_t pid);
    /** @param folder as /proc/PID, or /proc/PID/task/TID: then the times are the thread's */
    static std::optional<ProcessStat> in(const std::string &folder);
};

}  // namespace Passenger
