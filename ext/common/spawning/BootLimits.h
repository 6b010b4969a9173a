#pragma once

#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/LimitCounts.h"
#include "exchange/Options.h"
#include "spawning/AppGroup.h"
#include "spawning/SpawnedProcess.h"

namespace Passenger {

/**
 * What a process may use until it has loaded its application. It may have a number of processes and
 * threads (PassengerMaxBootProcesses). While others of the application serve, it gets only the time
 * that the processors have left (BootPriority). Each object belongs to one spawn, and is used in
 * its thread.
 */
class BootLimits {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    /** Both outlive this object. */
    BootLimits(const Options &options, LimitCounts &counts);

    /**
     * Limits a process, which waits, and moves it into the group. A failure is logged: the process
     * starts without limits.
     * @return the limit of tasks that it is to set itself; 0: none
     */
    std::uint64_t begin(AppGroup &group, pid_t pid);
    /** When check() is due. Nothing: the process has normal priority. */
    std::optional<Deadline> due() const noexcept {
        return lowUntil_ ? std::optional(std::min(*lowUntil_, nextLook_)) : std::nullopt;
    }
    /** Gives the process low priority if others serve. Not before it executes its program: its
     *  spawn server waits for that, and with it all starts of the user. */
    void lower(const SpawnedProcess &process);
    /** Gives it normal priority if it has been low for long enough, no other instance serves any
     *  more, the processors have no time left for it, or /proc does not tell.
     *  @throws std::exception */
    void check(const SpawnedProcess &process);
    /** Lifts the limits. @throws std::exception if the process still has low priority: it must not
     *  serve. Other failures are logged. */
    void end(const SpawnedProcess &process);
    /** Before the processes of a failed start are killed: the end of its summary if the user has as
     *  many as he may, else empty. */
    std::string tooManyTasks(const SpawnedProcess &process) const;

private:
    const char *reasonToRaise(const SpawnedProcess &process, std::optional<std::chrono::nanoseconds> ran) const;
    void raise(const SpawnedProcess &process);

    const Options &options_;
    LimitCounts &counts_;
    /** 0: no limit. */
    std::uint64_t tasks_ = 0;
    std::optional<Deadline> lowUntil_;
    Deadline nextLook_;
    /** The CPU time of the process and its descendants at the last look. */
    std::chrono::nanoseconds ran_{0};
};

}  // namespace Passenger
