#pragma once

#include "pool/Process.h"
#include "pool/SpawnTask.h"

namespace Passenger {

/**
 * The instances of an application that are being started. They do not serve, and do not stand by.
 *
 * Owned by the Group; guarded by the pool's lock.
 */
class PendingSpawns {
public:
    /** A thread works at the task from now on. */
    void begun(const SpawnTask &task) noexcept;
    /** The task's instance serves or stands by, or the task has failed. */
    void concluded(const SpawnTask &task) noexcept;

    /** What counts for the limits. */
    unsigned starting() const noexcept { return starting_; }
    /** The starting instances that replace nothing. */
    unsigned growing() const noexcept { return starting_ - replacements_; }
    /** The starting instances that the pool's limit does not count. */
    unsigned aboveLimit() const noexcept { return aboveLimit_; }
    /** Those that load the application. */
    unsigned loads() const noexcept { return loads_; }
    /** Whether an instance of an earlier pool process is being taken over. */
    bool adopts() const noexcept { return adoptions_ > 0; }
    /** The instance whose successor is being started; none. */
    InstanceId beingReplaced() const noexcept { return beingReplaced_; }
    bool none() const noexcept { return starting_ == 0; }

private:
    unsigned starting_ = 0;
    unsigned replacements_ = 0;
    unsigned aboveLimit_ = 0;
    unsigned loads_ = 0;
    unsigned adoptions_ = 0;
    InstanceId beingReplaced_;
};

}  // namespace Passenger
