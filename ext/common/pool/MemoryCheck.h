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
 * share a memory budget (MemoryRoom) are measured every second while half of it is used. All others
 * are measured for the status, in a thread of their own: one that cannot be measured now must not
 * delay limits.
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
    /** Measures the instances without limits in a background thread, if that began at least so long
     *  ago. Measuring takes a twentieth of a core at most. */
    void refresh(std::chrono::nanoseconds oldest) REQUIRES(poolLock);
    bool isRunning() const REQUIRES(poolLock) { return limited_.runs || others_.runs; }
    /** Measures now. Blocks on the file system. */
    void check() EXCLUDES(poolLock);

private:
    struct Round {
        bool runs = false;
        /** When the last one began, and what it took. */
        std::optional<MonotonicTime> began;
        std::chrono::nanoseconds took{0};
    };

    void start(Round &round, void (MemoryCheck::*work)()) REQUIRES(poolLock);
    void measureAll(bool limited) EXCLUDES(poolLock);
    void measureOthers() EXCLUDES(poolLock) { measureAll(false); }
    std::optional<ProcessMemory> measure(const Process &process, bool limited);
    void measurePressure() EXCLUDES(poolLock);
    void judge(Group &group, Process &process, const ProcessMemory &memory) REQUIRES(poolLock);

    PoolContext &context_;
    const Groups &groups_;
    MemoryRoom &room_;
    const Measure measure_;
    const Pressure pressure_;
    /** Until then no failure is logged. Where limits count only, which one thread at a time
     *  measures. */
    MonotonicTime quietUntil_;
    Round limited_ GUARDED_BY(poolLock);
    Round others_ GUARDED_BY(poolLock);
};

}  // namespace Passenger
