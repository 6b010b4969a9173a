#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "base/Clock.h"

namespace Passenger {

/**
 * Tells a process that is hung from one that gets too little time of the processors. Then the
 * machine is busy, or a control group has a limit. Such a process has a thread that is ready to
 * run, and runs for less than half of the time.
 *
 * Owned by PoolSupervisor. Reads proc(5)'s task/TID/stat; what cannot be read is no shortage. Never
 * waits for the process.
 */
class ProcessorShortage {
public:
    /** @param proc where the kernel's folders of processes are */
    explicit ProcessorShortage(std::string proc = "/proc") : proc_(std::move(proc)) {}

    /** Looks at the threads of the process, to compare them later. */
    void look(pid_t process, MonotonicTime now);
    /** Whether a thread that was ready to run at look() is so now, and has run for less than half
     *  of the time since. */
    bool lasts(pid_t process, MonotonicTime now) const;

private:
    /** The time that threads have run, by their ids. */
    using Times = std::map<pid_t, std::chrono::nanoseconds>;

    /** The times of the threads that are ready to run. */
    Times ready(pid_t process) const;

    const std::string proc_;
    Times before_;
    MonotonicTime since_{};
};

}  // namespace Passenger
