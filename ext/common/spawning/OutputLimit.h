#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "base/LimitCounts.h"
#include "base/Mutex.h"
#include "loop/EventLoop.h"
#include "loop/Timer.h"

namespace Passenger {

/** Takes a line of a process's output. Must not block. */
using OutputSink = std::function<void(pid_t pid, const std::string &line)>;

/**
 * Limits the lines that the processes of one application write into the log
 * (PassengerMaxLogLinesPerSecond). In each INTERVAL the first lines are written. At its end follow
 * the number of those that are missing, and the last one, which often says why the output ended.
 *
 * Shared by the application's processes. Thread-safe; the destructor writes what is left, and must
 * not run with a lock held.
 */
class OutputLimit {
public:
    static constexpr std::chrono::seconds INTERVAL{10};
    /** A line counts once for each begun part of this size. */
    static constexpr std::size_t LINE = 1024;

    /** @param app the name in the log */
    OutputLimit(EventLoop &loop, const Clock &clock, std::string app,
                LimitCountsPtr counts = std::make_shared<LimitCounts>());
    ~OutputLimit();
    OutputLimit(const OutputLimit &) = delete;
    OutputLimit &operator=(const OutputLimit &) = delete;

    /** @param linesPerSecond on average over INTERVAL; 0: no limit */
    void set(unsigned linesPerSecond) EXCLUDES(mutex_);
    /** The lines in an INTERVAL; the largest number: no limit. */
    std::uint64_t most() EXCLUDES(mutex_);
    /** Gives the line to the sink, or keeps it as the last one. */
    void write(pid_t pid, const std::string &line, const OutputSink &sink) EXCLUDES(mutex_);
    /** Counts lines that come before the next write(), and were not looked at. */
    void skipped(std::uint64_t lines) EXCLUDES(mutex_);
    /** Whether further lines of this INTERVAL are not written. */
    bool full() EXCLUDES(mutex_);
    /** Writes what is left of an INTERVAL that is over. Otherwise a timer on the loop calls it. */
    void finishInterval() EXCLUDES(mutex_);

private:
    struct Last {
        pid_t pid;
        std::string line;
        OutputSink sink;
    };
    /** What is left of an interval. */
    struct Rest {
        std::optional<Last> last;
        std::uint64_t missing = 0;
        unsigned linesPerSecond = 0;
    };

    Rest takeRestIfOver(MonotonicTime now) REQUIRES(mutex_);
    Rest takeRest() REQUIRES(mutex_);
    void write(const Rest &rest) const;

    const Clock &clock_;
    const std::string app_;
    const LimitCountsPtr counts_;
    Mutex mutex_{Locks::OUTPUT_LIMIT};
    std::uint64_t most_ GUARDED_BY(mutex_) = 0;
    std::uint64_t used_ GUARDED_BY(mutex_) = 0;
    /** The begin of the interval. */
    MonotonicTime since_ GUARDED_BY(mutex_){};
    std::optional<Last> last_ GUARDED_BY(mutex_);
    std::uint64_t missing_ GUARDED_BY(mutex_) = 0;
    /** A timer runs or is about to be started, and ends the interval. */
    bool timed_ GUARDED_BY(mutex_) = false;
    Timer timer_;
};

}  // namespace Passenger
