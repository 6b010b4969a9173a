#pragma once

#include <chrono>

#include "base/Clock.h"

namespace Passenger {

/**
 * When an application that fails to start may be tried again: after 0.5 s, 1, 2, 4, …, at last every minute; so no more than 5 attempts in
 * 10 s. Instances that die before anything was answered count too: the first four in a row are replaced at once, then there are 10 s, 20, …
 * in between. After a queue that broke instances start at once in the new one; where it breaks again and again, after 0.5 s, 1, 2, …, a minute. Pure, but for what it remembers; not thread-safe.
 */
class Backoff {
public:
    bool mayTry(MonotonicTime now) const noexcept {
        return now >= notBefore_;
    }
    /** When the next attempt may be; in the past: at once. */
    MonotonicTime notBefore() const noexcept {
        return notBefore_;
    }
    /** Whether the last attempt failed: the next one is to be the only one at its time. */
    bool failing() const noexcept {
        return failures_ > 0;
    }
    /** Of several that were begun together, the first to fail counts. */
    void spawnFailed(MonotonicTime now) noexcept;
    void spawnSucceeded() noexcept;
    /** An instance ended that nobody had told to. @param proved something was answered since its start */
    void instanceDied(MonotonicTime now, bool proved) noexcept;
    /** A queue was found closed that nobody had closed. One that breaks before its instances may even start counts no further. */
    void queueBroke(MonotonicTime now) noexcept;
    /** The application has changed: nothing counts that was before. */
    void reset() noexcept;

private:
    unsigned failures_ = 0;
    unsigned deaths_ = 0;
    unsigned breaks_ = 0;
    MonotonicTime lastDeath_{};
    MonotonicTime lastBreak_{};
    MonotonicTime notBefore_{};
};

}  // namespace Passenger
