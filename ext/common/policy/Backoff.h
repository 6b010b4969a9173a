#pragma once

#include "base/Clock.h"

namespace Passenger {

/**
 * Decides when a failing application may be started again. Not thread-safe; all times are passed
 * in.
 *
 * - After failed starts: delays of 0.5 s, 1, 2, 4, … up to a minute, so at most 5 attempts in 10 s.
 *   After three failures in a row an attempt is made only if a request asks for one. Delays that do
 *   not grow are for development, where somebody repairs the application and asks again.
 * - After deaths of instances before their first answer: the first four in a row are replaced at
 *   once. From the third on this needs a request that asks for it. Then the delays are 10 s, 20, …
 *   up to a minute. Any answer of the application ends the row.
 * - After a queue broke: instances start at once in the new queue. If queues break repeatedly, the
 *   delays are 0.5 s, 1, 2, … up to a minute.
 */
class Backoff {
public:
    bool mayTry(MonotonicTime now) const noexcept { return now >= notBefore_; }
    /** The time of the next attempt; a time in the past means at once. */
    MonotonicTime notBefore() const noexcept { return notBefore_; }
    /** Whether the last attempt failed. The caller then makes one attempt at a time. */
    bool failing() const noexcept { return failures_ > 0 || !mayTryUnasked(); }
    /** Whether an attempt may be made that no request asks for, now or later. */
    bool mayTryUnasked() const noexcept;
    /** Whether the last three starts failed, or so many instances died that a request has to
     *  ask. */
    bool looping() const noexcept { return !mayTryUnasked(); }
    /** If several attempts began together, only the first failure counts.
     *  @param grows whether the delay is longer than the last one */
    void spawnFailed(MonotonicTime now, bool grows = true) noexcept;
    void spawnSucceeded() noexcept;
    /** Whether the last instance that ended without an order had answered no request. */
    bool dying() const noexcept { return deaths_ > 0; }
    /** An instance ended without an order.
     *  @param since when it was started
     *  @param lastAnswer when the application last answered a request */
    void instanceDied(MonotonicTime now, MonotonicTime since, MonotonicTime lastAnswer) noexcept;
    /** The application last answered a request then. */
    void answered(MonotonicTime lastAnswer) noexcept;
    /**
     * The queue was closed by another process than the agent. A break during a delay does not
     * count.
     */
    void queueBroke(MonotonicTime now) noexcept;
    /** The application has changed: forgets the delays. If attempts had to be asked for, one more
     *  may be made without. */
    void changed() noexcept;

private:
    unsigned failures_ = 0;
    unsigned deaths_ = 0;
    unsigned breaks_ = 0;
    MonotonicTime lastDeath_{};
    MonotonicTime lastBreak_{};
    MonotonicTime notBefore_{};
};

}  // namespace Passenger
