#pragma once

#include <chrono>
#include <optional>

#include "base/Clock.h"

namespace Passenger {

/**
 * Decides when the pool process is asked whether its event loop runs, and when it has been silent
 * for too long.
 *
 * Owned by PoolSupervisor. Pure: all times are passed in.
 */
class AnswerWatch {
public:
    /** Between an answer and the next question. */
    static constexpr std::chrono::seconds INTERVAL{1};

    /** @param limit of the time without an answer; zero: no question is asked */
    void setLimit(std::chrono::seconds limit) noexcept;
    std::chrono::seconds limit() const noexcept {
        return limit_;
    }
    /** The process serves from now on. */
    void begin(MonotonicTime now) noexcept;
    /** The process has ended, or is about to. */
    void end() noexcept;

    /** Whether a question is due. */
    bool asksNow(MonotonicTime now) const noexcept;
    /** The question was sent. */
    void asked(MonotonicTime now) noexcept;
    void answered(MonotonicTime now) noexcept;
    /** Whether the answer has not come in time. */
    bool isOverdue(MonotonicTime now) const noexcept;
    /** When asksNow() or isOverdue() becomes true; nothing: not as it is now. */
    std::optional<MonotonicTime> next() const noexcept;

private:
    std::chrono::seconds limit_{0};
    /** When the next question is asked; nothing: none is to be asked. */
    std::optional<MonotonicTime> askAt_;
    /** When the question was sent whose answer is awaited. */
    std::optional<MonotonicTime> askedAt_;
};

}  // namespace Passenger
