#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "base/Mutex.h"

namespace Passenger::Bridge {

class Place;

/**
 * The threads that work at requests which have to wait. The number of threads follows the number of
 * these requests. A thread without a request for idleLimit ends, except for the last thread. The
 * thread that became idle last gets the next request, so that the other threads can end.
 *
 * Owned by the Intake; thread-safe.
 */
class Helpers {
public:
    /** Starts a thread that calls run(). False: it cannot be started. */
    using Start = std::function<bool()>;

    static constexpr std::chrono::seconds IDLE_LIMIT{10};

    /**
     * @param start called without the lock
     * @param unstarted called without the lock after a thread could not be started: startAgain() is
     *     due a moment later
     */
    Helpers(Start start, std::function<void()> unstarted, std::chrono::milliseconds idleLimit = IDLE_LIMIT)
        : start_(std::move(start)), unstarted_(std::move(unstarted)), idleLimit_(idleLimit) {}

    /** A helper works at the request of the place. */
    void give(Place &place) EXCLUDES(mutex_);
    /** Starts a thread before there is a request for it. False: it cannot be started. */
    bool startFirst() EXCLUDES(mutex_);
    /** Starts the threads that are missing. The system may allow another thread by now. */
    void startAgain() EXCLUDES(mutex_);
    /** The function of a helper's thread, up to its end. @param work called with each place */
    void run(const std::function<void(Place &)> &work) EXCLUDES(mutex_);
    /** Helpers end when they have nothing to do. */
    void finish() EXCLUDES(mutex_);

private:
    /** A thread that waits for a place. */
    struct Idle {
        std::condition_variable called;
        Place *place = nullptr;
    };

    bool isMissing() const REQUIRES(mutex_);
    bool startOne() EXCLUDES(mutex_);
    Place *next() EXCLUDES(mutex_);

    const Start start_;
    const std::function<void()> unstarted_;
    const std::chrono::milliseconds idleLimit_;
    Mutex mutex_{Locks::BRIDGE_HELPERS};
    /** Places without a helper. While there are any, no helper is idle. */
    std::deque<Place *> waiting_ GUARDED_BY(mutex_);
    /** The one that has worked last is at the end. */
    std::vector<Idle *> idle_ GUARDED_BY(mutex_);
    /** Threads that have not come to next() yet. */
    std::size_t starting_ GUARDED_BY(mutex_) = 0;
    bool finished_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger::Bridge
