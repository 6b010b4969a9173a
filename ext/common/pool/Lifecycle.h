#pragma once

#include <string>

#include "base/Clock.h"

namespace Passenger {

/**
 * How far an instance is between its start and its end, and why it is to leave.
 *
 * Owned by its Process; guarded by the pool's lock.
 */
class Lifecycle {
public:
    enum class State {
        /** Has started, and waits until the instance that it replaces has ended, or until its
         *  version takes over. */
        STANDBY,
        /** Takes requests. */
        SERVING,
        /** Takes no new requests; ends when it has answered those that it has. */
        DRAINING,
        /** Has ended. */
        DEAD
    };

    void standBy() noexcept { state_ = State::STANDBY; }
    void serve() noexcept { state_ = State::SERVING; }
    /** The instance is told to end. */
    void drain(MonotonicTime now) noexcept {
        state_ = State::DRAINING;
        drainsSince_ = now;
    }
    void end() noexcept { state_ = State::DEAD; }
    /** The instance is due for replacement. @param why not empty */
    void fallDue(const std::string &why) { replacementReason_ = why; }
    /** Another instance takes its place. */
    void noteSuccessor() noexcept { hasSuccessor_ = true; }

    State state() const noexcept { return state_; }
    /** Whether the instance was not told to end: it serves, or will. */
    bool stays() const noexcept { return state_ == State::SERVING || state_ == State::STANDBY; }
    /** When the instance was told to end. */
    MonotonicTime drainsSince() const noexcept { return drainsSince_; }
    /** Whether the instance drains and its successor serves already, so that it does not count for
     *  the limits. */
    bool isReplaced() const noexcept { return state_ == State::DRAINING && hasSuccessor_; }
    /** Why the instance is due for replacement; empty: it is not. */
    const std::string &replacementReason() const noexcept { return replacementReason_; }
    bool isDue() const noexcept { return !replacementReason_.empty(); }

private:
    State state_ = State::SERVING;
    MonotonicTime drainsSince_{};
    bool hasSuccessor_ = false;
    std::string replacementReason_;
};

}  // namespace Passenger
