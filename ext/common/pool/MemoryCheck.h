#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "base/ProcessMemory.h"
#include "pool/Groups.h"
#include "pool/MemoryRoom.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"

namespace Passenger {

/**
 * Measures the instances that have a memory limit, every five seconds: has those above
 * PassengerMemoryLimit replaced, and kills those above PassengerHardMemoryLimit. Instances that
 * share a memory budget (MemoryRoom) are measured every second while half of it is used.
 *
 * Owned by the Pool.
 */
class MemoryCheck {
public:
    /** The memory of an instance; nothing: it has ended. May block, and throw. */
    using Measure = std::function<std::optional<ProcessMemory>(const Process &)>;

    /** How much of the time all processes waited for memory, in percent (MemoryPressure.h). May
     *  block. @param group the folder of an application's control group; empty: of the server */
    using Pressure = std::function<double(const std::string &group)>;

    /** All outlive this object. @param measure none: memory limits have no effect. @param pressure
     *  none: there is none */
    MemoryCheck(PoolContext &context, const Groups &groups, MemoryRoom &room, Measure measure, Pressure pressure);

    /** Measures in a background thread if the date has come (MemoryRoom::isCheckDue()). */
    void startIfDue(MonotonicTime now) REQUIRES(poolLock);
    bool isRunning() const REQUIRES(poolLock) { return running_; }
    /** Measures now. Blocks on the file system. */
    void check() EXCLUDES(poolLock);

private:
    std::optional<ProcessMemory> measure(const Process &process);
    void measurePressure() EXCLUDES(poolLock);
    void judge(Group &group, Process &process, const ProcessMemory &memory) REQUIRES(poolLock);

    PoolContext &context_;
    const Groups &groups_;
    MemoryRoom &room_;
    const Measure measure_;
    const Pressure pressure_;
    /** Until then no failure is logged. For check() alone, which one thread at a time runs. */
    MonotonicTime quietUntil_;
    std::chrono::nanoseconds took_ GUARDED_BY(poolLock){0};
    bool running_ GUARDED_BY(poolLock) = false;
};

}  // namespace Passenger
