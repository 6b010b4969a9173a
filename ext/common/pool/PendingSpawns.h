#pragma once

#include <optional>

#include "pool/Process.h"
#include "pool/SpawnTask.h"

namespace Passenger {

/**
 * The instances of an application that are on their way. They are being started, or one stands by
 * until the instance that it replaces has ended.
 *
 * Owned by the Group; guarded by the pool's lock.
 */
class PendingSpawns {
public:
    /** An instance that has started. It must not serve before its predecessor has ended. */
    struct Standby {
        ProcessPtr process;
        SpawnTask task;
    };

    /** A thread works at the task from now on. */
    void begun(const SpawnTask &task) noexcept;
    /** The task's instance serves or stands by, or the task has failed. */
    void concluded(const SpawnTask &task) noexcept;
    /** The instance waits. There is no other that waits. */
    void standBy(const ProcessPtr &process, const SpawnTask &task);
    /** Only if there is one. */
    Standby takeStandby();

    /** Instances that are being started. */
    unsigned starting() const noexcept {
        return starting_;
    }
    /** The starting instances that replace nothing. */
    unsigned growing() const noexcept {
        return starting_ - replacements_;
    }
    /** The starting instances that the pool's limit does not count. */
    unsigned aboveLimit() const noexcept {
        return aboveLimit_;
    }
    /** Null: none. */
    const Standby *standby() const noexcept {
        return standby_ ? &*standby_ : nullptr;
    }
    /** The instance whose successor is being started; none. */
    InstanceId beingReplaced() const noexcept {
        return beingReplaced_;
    }
    /** What counts for the limits. */
    unsigned size() const noexcept {
        return starting_ + (standby_ ? 1 : 0);
    }
    bool none() const noexcept {
        return size() == 0;
    }

private:
    unsigned starting_ = 0;
    unsigned replacements_ = 0;
    unsigned aboveLimit_ = 0;
    InstanceId beingReplaced_;
    std::optional<Standby> standby_;
};

}  // namespace Passenger
