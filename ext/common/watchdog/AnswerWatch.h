#pragma once

#include <chrono>
#include <optional>

#include "base/Clock.h"

namespace Passenger {

/**
 * Decides when the pool process is asked whether its event loop runs, and when it has been silent
 * for too long. A process that lacks time of the processors is not hung: the machine is busy. So
 * the later half of the limit is watched, and begins anew where the process lacked time during it.
 *
 * Owned by PoolSupervisor. Pure: all times are passed in.
 */
class AnswerWatch {
public:
    /** The time between an answer and the next question. */
    static constexpr std::chrono::seconds INTERVAL{1};
    /** The time that a process has at least until it serves. It may wait for Ruby, up to 30 s. */
    static constexpr std::chrono::seconds START_LIMIT{60};
    /** A process that does not answer is overdue after so many limits, whatever it waits for. */
    static constexpr int MOST_LIMITS = 12;

    /** @param limit of the time without an answer; zero: no question is asked */
    void setLimit(std::chrono::seconds limit) noexcept;
    /** The process was started: that it serves is the answer that is awaited. */
    void starting(MonotonicTime now) noexcept;
    void begin(MonotonicTime now) noexcept;
    /** The process has ended, or is about to. */
    void end() noexcept;

    bool asksNow(MonotonicTime now) const noexcept;
    /** The question was sent. */
    void asked(MonotonicTime now) noexcept;
    void answered(MonotonicTime now) noexcept;
    /** Whether the time begins in which the process is watched. */
    bool watchesNow(MonotonicTime now) const noexcept;
    /** The process is watched from now on. If this is late, the answer is overdue later, too. */
    void watched(MonotonicTime now) noexcept;
    bool isOverdue(MonotonicTime now) const noexcept;
    /** The answer is overdue, and the process lacked time of the processors: it gets more, and is
     *  watched from now on. False: it had more already, and is overdue. */
    bool extend(MonotonicTime now) noexcept;
    /** The time since the question whose answer is overdue. */
    std::chrono::seconds silentFor(MonotonicTime now) const noexcept;
    /** When asksNow(), watchesNow() or isOverdue() becomes true; nothing: not as it is now. */
    std::optional<MonotonicTime> next() const noexcept;

private:
    std::chrono::nanoseconds half() const noexcept { return std::chrono::nanoseconds(limit_) / 2; }

    std::chrono::seconds limit_{0};
    /** When the next question is asked; nothing: none is to be asked. */
    std::optional<MonotonicTime> askAt_;
    /** When the question was sent whose answer is awaited, or the process was started. */
    std::optional<MonotonicTime> askedAt_;
    /** When the answer is overdue. */
    MonotonicTime overdueAt_;
    bool watched_ = false;
};

}  // namespace Passenger
