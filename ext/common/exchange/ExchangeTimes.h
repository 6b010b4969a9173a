#pragma once

#include <chrono>
#include <optional>

#include "base/Clock.h"
#include "exchange/Options.h"
#include "exchange/QueueHost.h"

namespace Passenger {

/**
 * When the request of an exchange was sent and begun, and the limits that follow from that:
 * PassengerMaxRequestQueueTime and PassengerMaxRequestTime. PassengerSlowRequestLog is no limit.
 *
 * A part of an Exchange, with its thread rules. Host and options outlive it.
 */
class ExchangeTimes {
public:
    ExchangeTimes(const QueueHost &host, const Options &options) : host_(host), options_(options) {}

    MonotonicTime now() const noexcept { return host_.clock().now(); }

    /** A ticket is sent now. @param first the time in the queue begins with this ticket */
    void sending(bool first) noexcept;
    /** The time in the queue begins now: an instance had the request and died. */
    void waitAnew() noexcept { waitingSince_ = now(); }
    /** The time of the last ticket in the queue, as the instance measured it. */
    void queuedFor(std::chrono::microseconds time) noexcept { queued_ = time; }
    /** ACCEPTED arrived now. The message has no time of the ticket in the queue. */
    void queuedUntilNow() noexcept;
    /** The instance begins with the request now, or began when queuedFor() says. The first call
     *  counts. */
    void begunNow() noexcept;
    void begunAfterQueue() noexcept;
    bool begun() const noexcept { return begunAt_.has_value(); }
    /** The instance is free. durations() stay as they are now. */
    void endNow() noexcept { endedAt_ = now(); }
    /** The client did not take the answer for this time, which does not count for the limit of the
     *  instance's work. */
    void excuse(std::chrono::nanoseconds time) noexcept;
    /** A wait ended now that began at `since`, and was to take `meant` at most. If it took much
     *  longer, this process stood still, and perhaps the instance did, too: that time does not
     *  count, either. */
    void waited(MonotonicTime since, std::chrono::nanoseconds meant) noexcept;

    /** When the last ticket was sent. */
    MonotonicTime sentAt() const noexcept { return sentAt_; }
    /** The beginning of the request's wait for an instance, over all its tickets. */
    MonotonicTime waitingSince() const noexcept { return waitingSince_; }
    std::chrono::nanoseconds waited() const noexcept { return now() - waitingSince_; }
    /** The wait up to the moment from which an instance is known to work at the request. */
    std::chrono::nanoseconds waitedUntilBegun() const noexcept;
    /** When a waiting request leaves the queue. Nothing: no limit. */
    std::optional<MonotonicTime> queueDeadline() const noexcept;
    /** The time until which an instance may work on the request. Nothing: no limit, or the request
     *  was not begun. */
    std::optional<MonotonicTime> workDeadline() const noexcept;
    bool workIsUp() const noexcept;

    /** When the request becomes a slow one. Nothing: no limit. */
    std::optional<MonotonicTime> slowDate() const noexcept;

    /** The time of a whole exchange in the queue, and its time in the instance. */
    struct Durations {
        std::chrono::nanoseconds queue;
        std::chrono::nanoseconds service;
    };
    Durations durations() const noexcept;

private:
    void begin(MonotonicTime at) noexcept;

    const QueueHost &host_;
    const Options &options_;
    MonotonicTime sentAt_;
    MonotonicTime waitingSince_;
    std::chrono::microseconds queued_{0};
    std::optional<MonotonicTime> begunAt_;
    std::optional<MonotonicTime> endedAt_;
    /** See excuse(). */
    std::chrono::nanoseconds excused_{0};
};

}  // namespace Passenger
