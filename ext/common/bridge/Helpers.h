#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>

#include "base/Mutex.h"
#include "bridge/Place.h"

namespace Passenger::Bridge {

/**
 * The threads that work at requests which have to wait. There are as many as there were such
 * requests at once. Owned by the Intake; thread-safe.
 */
class Helpers {
public:
    /** Starts a thread that calls run(). False: it cannot be started. */
    using Start = std::function<bool()>;

    /**
     * @param start called without the lock
     * @param unstarted called without the lock after a thread could not be started: startAgain() is
     *     due a moment later
     */
    Helpers(Start start, std::function<void()> unstarted)
        : start_(std::move(start)), unstarted_(std::move(unstarted)) {}

    /** A helper works at the request of the place. */
    void give(Place &place) EXCLUDES(mutex_);
    /** Starts a thread if one is missing. The system may allow another thread by now. */
    void startAgain() EXCLUDES(mutex_);
    /** What a helper does, to the end. @param done called with each place that it has worked at */
    void run(const std::function<void(Place &)> &done) EXCLUDES(mutex_);
    /** Helpers end when they have nothing to do. */
    void finish() EXCLUDES(mutex_);

private:
    bool isMissing() const REQUIRES(mutex_);
    void startOne() EXCLUDES(mutex_);
    Place *next() EXCLUDES(mutex_);

    const Start start_;
    const std::function<void()> unstarted_;
    Mutex mutex_{Locks::BRIDGE_HELPERS};
    std::condition_variable changed_;
    std::deque<Place *> waiting_ GUARDED_BY(mutex_);
    std::size_t idle_ GUARDED_BY(mutex_) = 0;
    /** Threads that have not come to next() yet. */
    std::size_t starting_ GUARDED_BY(mutex_) = 0;
    bool finished_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger::Bridge
