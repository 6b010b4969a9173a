#pragma once

#include <chrono>
#include <deque>
#include <vector>

#include "base/LogHistogram.h"
#include "control/AppStatus.h"

namespace Passenger {

/**
 * How long an application's requests waited and took within the last minute, quarter of an hour and
 * day. Made of the counts that its senders keep; a time is known up to a factor of 2, and estimated
 * in between.
 *
 * Pure: all times are passed in. Not thread-safe. Takes no memory for times without requests.
 */
class RequestHistory {
public:
    using Time = std::chrono::system_clock::time_point;

    /** How often add() is to be called. */
    static constexpr std::chrono::seconds INTERVAL{10};

    /** @param queue, service counts since the application's begin */
    void add(Time now, const LogHistogram &queue, const LogHistogram &service);
    /** The last minute, quarter of an hour and day. */
    std::vector<WindowStatus> windows(Time now) const;
    /** The points of the last day in which there were requests. @param length a multiple of a
     *  quarter of an hour */
    std::vector<PointStatus> points(Time now, std::chrono::seconds length) const;
    /** Whether there was a request within the last day. */
    bool empty() const noexcept { return day_.empty(); }

private:
    struct Slot {
        /** Its beginning, a multiple of the slot's length. */
        Time begin;
        LogHistogram queue;
        LogHistogram service;
    };
    using Slots = std::deque<Slot>;

    static void add(Slots &slots, std::chrono::seconds length, std::chrono::seconds kept, Time now, const Slot &fresh);
    static WindowStatus window(const Slots &slots, std::chrono::seconds length, std::chrono::seconds slot, Time now);

    LogHistogram queue_;
    LogHistogram service_;
    Slots minute_;
    Slots quarter_;
    Slots day_;
};

/** Quantiles, each estimated within its bucket. */
TimeQuantiles quantilesOf(const LogHistogram &times);

}  // namespace Passenger
