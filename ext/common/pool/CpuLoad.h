#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>

namespace Passenger {

/** How much of the machine is free, and what a process takes of it. Guarded by the pool's lock;
 *  never blocks. */
class CpuLoad {
public:
    virtual ~CpuLoad() = default;
    virtual unsigned cores() const = 0;
    /** Cores without work, on average lately. */
    virtual double idleCores() = 0;
    /** One more process will have work. Its core counts as used until the measurement shows it. */
    virtual void claim() {}
    /** The CPU time that the process and its descendants have used since their start. Nothing: not
     *  known. */
    virtual std::optional<std::chrono::nanoseconds> usedBy(pid_t) { return std::nullopt; }
};

}  // namespace Passenger
