#pragma once

#include <chrono>
#include <cstdint>

#include "base/Clock.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * Decides whether a further request of an application may wait for an instance
 * (PassengerQueueTarget).
 *
 * A request's wait is predicted: that of those before it, by the mean time of the last answers, or
 * by the time without an answer. The application is overloaded when the prediction exceeds twice
 * the target. It is also overloaded when even the request that waited least in an interval waited
 * for longer than the target. CoDel decides likewise (RFC 8289), but here no waiting request is
 * dropped. The application is overloaded, too, when requests wait and no answer comes for the
 * target and an interval. Then a further request may wait only if it is predicted to be begun
 * within the target. The overload ends when for ten seconds no request waited too long and none was
 * refused. So a burst that is served within the target waits, however many requests it has.
 *
 * Owned by QueueCache: each sending process has its own opinion of each application. The counts of
 * requests are those of all processes. Thread-safe.
 */
class QueueDelay {
public:
    using Time = std::chrono::nanoseconds;

    /** What a sending process knows of the application when a request comes. */
    struct Load {
        /** Requests that wait, this one included. */
        unsigned waiting = 0;
        /** Requests that the instances can run at once; 0: none has started. */
        unsigned capacity = 0;
        /** Answers so far, and the sum of the times that instances took for them. Both may begin
         *  again at 0. */
        std::uint64_t answers = 0;
        std::chrono::microseconds service{0};
        /** Of `waiting`, those that count twice: the others of this one's FairnessKey. A request
         *  that is refused for them alone begins no overload. */
        unsigned ofKey = 0;
    };

    /** The interval of the least wait, and of a measurement. */
    static constexpr std::chrono::milliseconds INTERVAL{100};
    /** The mean is that of so many answers, or of those within the longest time. */
    static constexpr std::uint64_t ANSWERS = 16;
    static constexpr std::chrono::seconds LONGEST{1};
    /** The overload lasts so long after the last sign of it. */
    static constexpr std::chrono::seconds CALM{10};
    /** An overload begins with a request that would wait for so many targets. */
    static constexpr int FRESH = 2;
    /** Without an overload so many requests may wait, whatever is predicted: the agent may be
     *  starting instances for them. */
    static constexpr unsigned MAX_UNPREDICTED = 8;
    static constexpr std::chrono::seconds TURN{1};

    /** A request has waited this long: until an instance began it, or until it was given up. Told
     *  when the request ends. */
    void waited(Time time, Time target, MonotonicTime now) noexcept EXCLUDES(mutex_);
    /** A request comes that need not wait. */
    void idle() noexcept EXCLUDES(mutex_);
    /** A request comes that has to wait. False: refuse it. @param within in which this request
     *  should be begun; the target, unless its priority has another time */
    bool mayWait(const Load &load, Time target, Time within, MonotonicTime now) noexcept EXCLUDES(mutex_);
    /** Whether a request of low priority counts as one of normal priority: one in each TURN does,
     *  so that none starves. */
    bool takeTurn(MonotonicTime now) noexcept EXCLUDES(mutex_);

private:
    void measure(const Load &load, MonotonicTime now) noexcept REQUIRES(mutex_);
    bool stalled(const Load &load, Time target, MonotonicTime now) noexcept REQUIRES(mutex_);
    void sign(MonotonicTime now) noexcept REQUIRES(mutex_);

    Mutex mutex_{Locks::QUEUE_DELAY};
    /** The last sign of an overload. */
    MonotonicTime lastSign_ GUARDED_BY(mutex_);
    bool overloaded_ GUARDED_BY(mutex_) = false;

    MonotonicTime intervalBegin_ GUARDED_BY(mutex_);
    /** The least wait of the interval. Time::max(): none is known. */
    Time least_ GUARDED_BY(mutex_) = Time::max();

    /** Where the measurement of the mean begins. */
    MonotonicTime measuredSince_ GUARDED_BY(mutex_);
    Load then_ GUARDED_BY(mutex_);
    /** The last measured mean time of an answer. Negative: not measured yet. */
    double meanSeconds_ GUARDED_BY(mutex_) = -1;
    /** The lesser one of the last two means: one long request makes no overload. */
    double usualSeconds_ GUARDED_BY(mutex_) = -1;

    /** When the last request came that had to wait. */
    MonotonicTime lastWait_ GUARDED_BY(mutex_);
    /** The time since which requests wait and no answer comes. */
    MonotonicTime stalledSince_ GUARDED_BY(mutex_);
    std::uint64_t lastAnswers_ GUARDED_BY(mutex_) = 0;
    MonotonicTime lastTurn_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
