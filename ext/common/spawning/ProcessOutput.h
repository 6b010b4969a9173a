#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "io/LineReader.h"
#include "loop/EventLoop.h"

namespace Passenger {

/**
 * Forwards the standard output and error of a process we started, line by line, to the log, and keeps the last lines
 * for error reports. The event loop reads; nothing here ever waits for the process.
 *
 * Lines that come before setPid() are kept and written then (or when it is destroyed, or too many). Destroyed from any
 * thread while the loop runs; what is in the pipe then is still forwarded. The sink may not call back.
 */
class ProcessOutput {
public:
    static constexpr std::size_t KEPT_LINES = 200;
    using Sink = std::function<void(pid_t pid, const std::string &line)>;

    /** @param pipe reading end, owned from now on  @param sink called on the loop (or in the destructor); empty: the
     * log */
    ProcessOutput(EventLoop &loop, FileDescriptor pipe, Sink sink = {});
    ~ProcessOutput();

    void setPid(pid_t pid) EXCLUDES(mutex_);
    /** Reads what is in the pipe now, then returns the last lines, joined. From any thread. */
    std::string lastLines() EXCLUDES(mutex_);
    /** How many lines came so far. */
    std::uint64_t lineCount() EXCLUDES(mutex_);
    /** Like lastLines(), without the first `count` that ever came. */
    std::string linesAfter(std::uint64_t count) EXCLUDES(mutex_);
    const FileDescriptor &descriptor() const noexcept {
        return pipe_;
    }

private:
    /** False once the pipe has ended. */
    bool readAvailable() EXCLUDES(mutex_);
    void accept(std::string_view line) REQUIRES(mutex_);
    void writeWaiting() REQUIRES(mutex_);

    EventLoop &loop_;
    FileDescriptor pipe_;
    Sink sink_;
    Mutex mutex_{Locks::PROCESS_OUTPUT};
    pid_t pid_ GUARDED_BY(mutex_) = 0;
    LineReader lines_ GUARDED_BY(mutex_);
    std::deque<std::string> kept_ GUARDED_BY(mutex_);
    std::uint64_t count_ GUARDED_BY(mutex_) = 0;
    std::deque<std::string> waiting_ GUARDED_BY(mutex_);
    bool ended_ GUARDED_BY(mutex_) = false;
    std::unique_ptr<DescriptorWatcher> watcher_;
};

using ProcessOutputPtr = std::shared_ptr<ProcessOutput>;

}  // namespace Passenger
