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
 * A queue of lines from the logging threads to the one thread that writes them; a line may have any
 * form. The queue is bounded: a log that accepts no data costs memory, then lines, but never the
 * time of a caller.
 * Thread-safe.
 *
 * A full queue drops and counts lines until the writer takes the queued ones. At the place of the
 * missing lines the log has a line with their number.
 */
class LogQueue {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    /**
     * Makes the line that tells the number of dropped lines. The writer's thread calls this
     * function without a lock.
     */
    using DroppedLine = std::string (*)(std::uint64_t count);

    /** The limit in bytes. The writer may hold as many bytes again. */
    static constexpr std::size_t CAPACITY = std::size_t(4) * 1024 * 1024;

    explicit LogQueue(DroppedLine droppedLine) : droppedLine_(droppedLine) {}

    /** @param line with its line break @return false after close(): the line is not queued */
    bool put(std::string_view line) EXCLUDES(mutex_);
    /** Waits until all queued lines are written, or until the deadline. */
    void flush(TimePoint deadline) EXCLUDES(mutex_);
    /**
     * Lets the writer end after the last line, or after the deadline if the log accepts no data.
     * @param deadline for all remaining lines
     */
    void close(TimePoint deadline) EXCLUDES(mutex_);
    /** @return whether the writer has ended by the deadline */
    bool waitForWriter(TimePoint deadline) EXCLUDES(mutex_);

    /**
     * For the writer: waits for lines and takes all. The lines of the previous call count as
     * written.
     * @return false if the writer is to end
     */
    bool take(std::string &lines) EXCLUDES(mutex_);
    /** For the writer: whether to retry a write that the log did not accept. */
    bool worthWaiting() EXCLUDES(mutex_);
    /** For the writer: whether close() has not been called. */
    bool open() EXCLUDES(mutex_);

private:
    const DroppedLine droppedLine_;
    Mutex mutex_{Locks::LOG};
    std::condition_variable changed_;
    std::string waiting_ GUARDED_BY(mutex_);
    std::uint64_t dropped_ GUARDED_BY(mutex_) = 0;
    bool writing_ GUARDED_BY(mutex_) = false;
    bool closed_ GUARDED_BY(mutex_) = false;
    bool ended_ GUARDED_BY(mutex_) = false;
    /** Set by close(). */
    TimePoint deadline_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
