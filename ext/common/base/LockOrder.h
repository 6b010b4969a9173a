#pragma once

#include "base/LockRank.h"

namespace Passenger {

/**
 * A Mutex's place in the order of locks. In development builds it knows which locks the calling thread holds, and aborts with a line on
 * standard error where a thread takes one out of order, or one that it holds already: before it may wait for ever. In other builds
 * it is empty.
 */
class LockOrder {
public:
#ifdef PASSENGER_DEVELOPMENT
    explicit constexpr LockOrder(const LockRank &rank) noexcept : rank_(rank) {}
    /** Before the lock is taken, or when it was. */
    void taking() const noexcept;
    /** Before it is given up: afterwards it may be gone. */
    void givingUp() const noexcept;
    /** Aborts if the calling thread holds any lock. @param doing what may not be done with one */
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
