#pragma once

#include "base/LockRank.h"

namespace Passenger {

/**
 * A Mutex's place in the order of locks. In development builds the object knows the locks of the
 * calling thread. If a thread takes a lock out of order, or twice, the process aborts with a line
 * on standard error. The abort comes before the thread can wait forever. In other builds the object
 * is empty.
 */
class LockOrder {
public:
#ifdef PASSENGER_DEVELOPMENT
    explicit constexpr LockOrder(const LockRank &rank) noexcept : rank_(rank) {}
    /** Called before the lock is taken, or just after. */
    void taking() const noexcept;
    /** Called before the unlock: afterwards the Mutex may be destroyed. */
    void givingUp() const noexcept;
    /**
     * Aborts if the calling thread holds any lock.
     * @param doing the action that needs no lock held
     */
    static void assertNoneHeld(const char *doing) noexcept;

private:
    LockRank rank_;
#else
    explicit constexpr LockOrder(const LockRank &) noexcept {}
    void taking() const noexcept {}
    void givingUp() const noexcept {}
    static void assertNoneHeld(const char *) noexcept {}
#endif
};

}  // namespace Passenger
