#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/Mutex.h"

namespace Passenger {

/**
 * Lines on their way from those who log to the one thread that writes them. Bounded: a log that takes nothing costs memory up to
 * here, then lines, but never the time of who logs. Thread-safe.
 *
 * Once it is full, lines are dropped and counted until the writer comes for more. The line that says how many stands where they
 * are missing.
 */
class LogQueue {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    /** Makes the line that says how many were dropped; called by the writer's thread, without a lock. */
    using DroppedLine = std::string (*)(std::uint64_t count);

    /** In bytes; as much again may be with the writer. */
    static constexpr std::size_t CAPACITY = std::size_t(4) * 1024 * 1024;

    explicit LogQueue(DroppedLine droppedLine) : droppedLine_(droppedLine) {}

    /** @param line with its line break  @return false after close(): nobody would write it */
    bool put(std::string_view line) EXCLUDES(mutex_);
    /** Waits until all that was put is written, or the deadline has passed. */
    void flush(TimePoint deadline) EXCLUDES(mutex_);
    /** Lets the writer end: with the last line, or once the deadline has passed and the log takes nothing.
     *  @param deadline for all that is still to be written */
    void close(TimePoint deadline) EXCLUDES(mutex_);
    /** @return whether the writer has ended by the deadline */
    bool waitForWriter(TimePoint deadline) EXCLUDES(mutex_);

    /** The writer's: waits for lines, and takes all. What it took before is written. @return false: it is to end */
    bool take(std::string &lines) EXCLUDES(mutex_);
    /** The writer's: whether to go on trying. */
    bool worthWaiting() EXCLUDES(mutex_);

private:
    const DroppedLine droppedLine_;
    Mutex mutex_{Locks::LOG};
    std::condition_variable changed_;
    std::string waiting_ GUARDED_BY(mutex_);
    std::uint64_t dropped_ GUARDED_BY(mutex_) = 0;
    bool writing_ GUARDED_BY(mutex_) = false;
    bool closed_ GUARDED_BY(mutex_) = false;
    bool ended_ GUARDED_BY(mutex_) = false;
    /** Once it is closed. */
    TimePoint deadline_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
