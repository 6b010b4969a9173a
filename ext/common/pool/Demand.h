#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/Clock.h"
#include "exchange/Options.h"
#include "policy/IdlePolicy.h"
#include "policy/RecentTimes.h"
#include "policy/RoomPolicy.h"
#include "policy/ScalingPolicy.h"
#include "pool/ApplicationQueue.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/QueuePauses.h"

namespace Passenger {

/**
 * Measures how many instances the requests of an application need. It knows how many requests wait
 * and for how long, how long answers take, and how many requests were in flight at once.
 * PassengerMinInstances, PassengerMaxInstances and PassengerMaxInstancesPerApp limit the number.
 *
 * Owned by the Group; guarded by the pool's lock. All times are passed in. No request tells this
 * object that it waits or has ended; the Group calls look() and idleSurplus() by its dates.
 */
class Demand {
public:
    /** All arguments outlive this object. @param options of the application, as they are now */
    Demand(const Options &options, const PoolSettings &settings, const QueuePauses &pauses, ApplicationQueue &queue,
           const Instances &instances)
        : options_(options), settings_(settings), pauses_(pauses), queue_(queue), instances_(instances) {}

    // ----- Events

    /** An instance has loaded the application. @param isAsgi see SpawnResult */
    void loaded(bool isAsgi) noexcept { foundAsgi_ = isAsgi && !options_.isAsync(); }
    /** A child asks for the queue. */
    void requested(MonotonicTime now);
    /** An instance has begun to serve. @param wanted it stays. @param grown it replaces nothing */
    void joined(MonotonicTime now, bool wanted, bool grown);
    /** Called after joined(), when the replaced instances have been told to end. */
    void adjustRestore();
    /** The instances that serve now are wanted again: some are about to go. */
    void restore();
    /** Takes restore() back: the former number of instances is not wanted any more. */
    void forgetRestore() noexcept { restoreTo_ = 0; }
    /** Whether more instances are wanted again than these. */
    bool restores(unsigned instances) const noexcept { return restoreTo_ > instances; }
    /** Another application got an instance of this one. */
    void evicted(MonotonicTime now);
    /** The application has no queue any more. */
    void queueClosed() noexcept;
    /** Until its next request, the application has no claim to its minimum of instances. */
    void clear();

    // ----- More instances

    /** Looks at the queue. @return what follows from the requests and the options */
    ScalingSnapshot look(MonotonicTime now);
    /** Reads the statistics of the senders. */
    void readStatistics(MonotonicTime now);
    /** Whether there are requests that may need another instance. */
    bool requestsWait() const;
    /** Whether no request is in flight, and none is known to come. */
    bool isOver() const { return !pausedUntil() && !requestsWait() && !expectsRequest() && atWork() == 0; }
    /** Whether more requests are in flight than the instances can run at once. */
    bool exceedsCapacity() const { return queue_.inFlight() > instances_.capacity(); }
    /** Whether instances are missing, be there requests or not. */
    bool isBelowMinimum() const {
        return restoreTo_ > instances_.serving() || (used_ && instances_.serving() < minInstances());
    }
    /** The time until which the queue is paused; nothing: it is not. Requests in it need no
     *  instance before. */
    std::optional<MonotonicTime> pausedUntil() const { return pauses_.until(queue_.name()); }
    /** When the queue is looked at again while requests wait. */
    std::chrono::nanoseconds lookInterval() const;
    /** The time since which the oldest request waits, at the last look. */
    std::optional<MonotonicTime> waitingSince() const noexcept { return waitingSince_; }
    /** Whether a child that has asked for the queue is about to send a request. */
    bool expectsRequest() const noexcept { return expectedSince_.has_value(); }
    /** Requests that an instance takes at once. PassengerThreadCount does not count for an ASGI
     *  application in a startup file for WSGI. */
    unsigned threads() const noexcept {
        return foundAsgi_.value_or(false) ? Options::NO_THREAD_LIMIT : options_.threads;
    }
    /** The instances that the application keeps, within its limit. No request is a reason for a
     *  further process of an event loop, so those with which it starts stay. */
    unsigned minInstances() const;
    /** The limit of the application's instances; 0: none but the pool's. */
    unsigned maxInstances() const;

    // ----- Fewer instances

    /** How many instances were not needed for the idle time. Nothing: its date has not come. */
    std::optional<unsigned> idleSurplus(MonotonicTime now);
    /** The date of the next idleSurplus(). */
    MonotonicTime nextIdleCheck(MonotonicTime now);
    /** The most requests in flight at once since the last call. */
    unsigned notePeak(MonotonicTime now);
    /** How many instances the requests need that are there now, waiting ones included. */
    unsigned atWork() const;
    /** Whether the application may keep instances that it does not need at this moment. */
    bool inUse(MonotonicTime now) const;

    // ----- Room in a full pool

    RoomRequest roomRequest() const;
    /** About Instances::leastNeeded(), the instance that would go. Nothing: none serves. */
    std::optional<RoomCandidate> roomCandidate() const;

    /** The last time at which requests were in flight, as far as it was looked at. */
    MonotonicTime lastBusy() const noexcept { return lastBusy_; }
    /** The last time at which requests were answered, likewise. */
    MonotonicTime lastProgress() const noexcept { return lastProgress_; }

private:
    /** Requests that were refused without a long pause between them. */
    struct Refusals {
        MonotonicTime since;
        MonotonicTime last;
        std::uint64_t count = 0;
    };

    void noteRefused(const GroupStatistics &fresh, MonotonicTime now);
    void addRefused(ScalingSnapshot &snapshot, MonotonicTime now);
    std::vector<MonotonicTime> requestsWithoutThread(MonotonicTime now);
    MonotonicTime idleCheckAfter(MonotonicTime now) const;
    std::chrono::nanoseconds idleInterval() const;

    const Options &options_;
    const PoolSettings &settings_;
    const QueuePauses &pauses_;
    ApplicationQueue &queue_;
    const Instances &instances_;

    /** Whether the application is ASGI though its startup file is for WSGI. Nothing: no instance
     *  has told it yet. */
    std::optional<bool> foundAsgi_;
    /** The application had a request since it last was given up for others. */
    bool used_ = false;
    /** The number of instances that are wanted again after a restart or a death. */
    unsigned restoreTo_ = 0;
    /** When a child last asked for the queue of an application without an instance. The child sends
     *  a request in a moment. */
    std::optional<MonotonicTime> expectedSince_;
    std::optional<MonotonicTime> waitingSince_;
    /** When an instance last began to serve. */
    MonotonicTime lastJoin_{};
    MonotonicTime lastBusy_{};
    MonotonicTime lastProgress_{};
    MonotonicTime nextIdleCheck_{};
    IdlePolicy idle_;
    /** How long answers took lately. */
    RecentTimes recent_;
    /** With PassengerQueueTarget; nothing: none since the last instance came, or not lately. */
    std::optional<Refusals> refusals_;
    /** The statistics when they were last read. */
    GroupStatistics read_;
};

}  // namespace Passenger
