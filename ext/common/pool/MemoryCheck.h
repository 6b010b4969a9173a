#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/Clock.h"
#include "pool/Groups.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"

namespace Passenger {

/**
 * Measures the instances that have a memory limit, every five seconds: has those above
 * PassengerMemoryLimit replaced, and kills those above PassengerHardMemoryLimit.
 *
 * Owned by the Pool.
 */
class MemoryCheck {
public:
    /** The memory of an instance in bytes, if it can be measured. May block. */
    using Measure = std::function<std::optional<std::uint64_t>(const Process &)>;

    /** @param groups outlive this object. @param measure none: memory limits have no effect */
    MemoryCheck(PoolContext &context, const Groups &groups, Measure measure);

    /** Measures in a background thread if the date has come (PoolContext::nextMemoryCheck). */
    void startIfDue(MonotonicTime now) REQUIRES(poolLock);
    /** Measures now. Blocks on the file system. */
    void check() EXCLUDES(poolLock);

private:
    void judge(Group &group, Process &process, std::uint64_t bytes) REQUIRES(poolLock);

    PoolContext &context_;
    const Groups &groups_;
    const Measure measure_;
    bool running_ GUARDED_BY(poolLock) = false;
};

}  // namespace Passenger
