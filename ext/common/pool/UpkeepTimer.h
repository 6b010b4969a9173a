#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/Clock.h"
#include "loop/Timer.h"
#include "pool/Deadlines.h"
#include "pool/PoolContext.h"

namespace Passenger {

class Group;

/**
 * The dates at which Groups are to be looked at, and the timer that calls back at the earliest one.
 *
 * Owned by the Pool; guarded by the pool's lock.
 */
class UpkeepTimer {
public:
    /** @param upkeep called on the event loop, without the lock; none: the caller asks due() at its
     *  own times, as tests with a clock of their own do */
    UpkeepTimer(PoolContext &context, const std::function<void()> &upkeep);

    /** When the Group is to be looked at again; nothing: not for itself. */
    void set(Group &group, std::optional<MonotonicTime> date) REQUIRES(poolLock);
    /** The Groups whose date has come; they have no date afterwards. The caller calls arm() when it
     *  has looked at them. */
    std::vector<Group *> due(MonotonicTime now) REQUIRES(poolLock);
    /** Starts the timer for the next date. */
    void arm() REQUIRES(poolLock);
    /** After the return no callback begins. Waits for one that runs, except on the event loop. */
    void stop() EXCLUDES(poolLock);

private:
    PoolContext &context_;
    Deadlines<Group> dates_ GUARDED_BY(poolLock);
    /** The date that the timer was started for. */
    std::optional<MonotonicTime> armedFor_ GUARDED_BY(poolLock);
    std::optional<Timer> timer_;
};

}  // namespace Passenger
