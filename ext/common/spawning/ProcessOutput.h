#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "io/LineReader.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "loop/Timer.h"
#include "spawning/OutputLimit.h"

namespace Passenger {

/**
 * Forwards the standard output and error of a started process to the log, line by line, and keeps
 * the last lines for reports. The event loop reads; no method waits for the process.
 *
 * With a limit, lines beyond it are read and dropped: the process must not wait for room in the
 * pipe. They are not looked at one by one, and the pipe is read every REST only and holds more. So
 * a process that prints without pause costs little of the loop's time.
 *
 * Lines before setPid() are kept; setPid() or the destructor writes them, or the next line if there
 * are too many. Any thread may destroy the object while the loop runs; the destructor forwards the
 * rest of the pipe. The sink must not call methods of this object.
 */
class ProcessOutput {
public:
    static constexpr std::size_t KEPT_LINES = 200;
    using Sink = OutputSink;
    /** The time between two looks at a pipe whose lines are dropped. */
    static constexpr std::chrono::milliseconds REST{10};
    /** Bytes in a pipe whose lines are dropped, if the kernel allows it. */
    static constexpr int LARGE_PIPE = 1024 * 1024;

    /**
     * @param pipe the reading end; this object owns it
     * @param sink called on the loop, in setPid() or in the destructor; empty: the log
     * @param limit of the application; null: none
     */
    ProcessOutput(EventLoop &loop, FileDescriptor pipe, Sink sink = {}, std::shared_ptr<OutputLimit> limit = nullptr);
    ~ProcessOutput();

    void setPid(pid_t pid) EXCLUDES(mutex_);
    /**
     * Reads the bytes that are in the pipe now, and returns the last lines, joined. From any
     * thread.
     */
    std::string lastLines() EXCLUDES(mutex_);
    /** The number of lines so far. */
    std::uint64_t lineCount() EXCLUDES(mutex_);
    /** The lines of lastLines() without the first `count` of all lines. */
    std::string linesAfter(std::uint64_t count) EXCLUDES(mutex_);
    const FileDescriptor &descriptor() const noexcept {
        return pipe_;
    }

private:
    enum class Next { END, READ, REST };

    void watch();
    Next readAvailable() EXCLUDES(mutex_);
    std::string_view skip(std::string_view bytes) REQUIRES(mutex_);
    void accept(std::string_view line) REQUIRES(mutex_);
    void writeWaiting() REQUIRES(mutex_);
    void write(const std::string &line) REQUIRES(mutex_);

    EventLoop &loop_;
    FileDescriptor pipe_;
    Sink sink_;
    const std::shared_ptr<OutputLimit> limit_;
    Mutex mutex_{Locks::PROCESS_OUTPUT};
    pid_t pid_ GUARDED_BY(mutex_) = 0;
    LineReader lines_ GUARDED_BY(mutex_);
    std::deque<std::string> kept_ GUARDED_BY(mutex_);
    std::uint64_t count_ GUARDED_BY(mutex_) = 0;
    std::deque<std::string> waiting_ GUARDED_BY(mutex_);
    bool ended_ GUARDED_BY(mutex_) = false;
    bool enlarged_ GUARDED_BY(mutex_) = false;
    std::unique_ptr<DescriptorWatcher> watcher_;
    std::unique_ptr<Timer> rest_;
};

using ProcessOutputPtr = std::shared_ptr<ProcessOutput>;

}  // namespace Passenger
