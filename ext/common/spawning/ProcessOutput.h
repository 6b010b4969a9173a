#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/FileDescriptor.h"
#include "base/PatientThreads.h"
#include "loop/EventLoop.h"
#include "spawning/OutputLimit.h"

namespace Passenger {

/**
 * Forwards the standard output and error of a started process to the log, line by line, and keeps
 * the last lines for reports. No method waits for the process.
 *
 * The process can hold the kernel's lock of the pipe for as long as it likes. So the event loop
 * only polls the pipe, and threads that nobody waits for read it (PatientThreads). The processes of
 * one owner have one of these threads at most: they hold up no output of others.
 *
 * With a limit, lines beyond it are read and dropped: the process must not wait for room in the
 * pipe. They are not looked at one by one, and the pipe is read every REST only and holds more. So
 * a process that prints without pause costs little of the agent's time.
 *
 * Lines before setPid() are kept; setPid() or the destructor writes them, or the next line if there
 * are too many. Any thread may destroy the object while the loop runs; the destructor has the rest
 * of the pipe forwarded. The sink must not call methods of this object.
 */
class ProcessOutput {
public:
    /** Of the last lines so many are kept, and not more bytes than these. */
    static constexpr std::size_t KEPT_LINES = 200;
    static constexpr std::size_t KEPT_BYTES = 64 * 1024;
    using Sink = OutputSink;
    /** The processes with one owner share a thread: those of a user. */
    using Owner = PatientThreads::Key;
    /** The time between two looks at a pipe whose lines are dropped. */
    static constexpr std::chrono::milliseconds REST{10};
    /** Bytes in a pipe whose lines are dropped, if the kernel allows it. */
    static constexpr int LARGE_PIPE = 1024 * 1024;
    /** The longest wait for a pipe to be read. */
    static constexpr std::chrono::milliseconds PATIENCE{3000};
    /** The same on the event loop. */
    static constexpr std::chrono::milliseconds PATIENCE_ON_LOOP{100};

    /**
     * @param pipe the reading end; this object owns it
     * @param sink called in setPid() and by the threads that read; empty: the log
     * @param limit of the application; null: none
     */
    ProcessOutput(EventLoop &loop, FileDescriptor pipe, Owner owner, Sink sink = {},
                  std::shared_ptr<OutputLimit> limit = nullptr);
    /** Waits for the rest as lastLines() does, but not on the loop. */
    ~ProcessOutput();
    ProcessOutput(const ProcessOutput &) = delete;
    ProcessOutput &operator=(const ProcessOutput &) = delete;

    void setPid(pid_t pid);
    /**
     * Has the bytes read that are in the pipe now, and returns the last lines, joined. From any
     * thread. Waits up to PATIENCE, and not at all for an owner whose pipes are held already.
     */
    std::string lastLines();
    /** The number of lines so far, likewise. */
    std::uint64_t lineCount();
    /** The lines of lastLines() without the first `count` of all lines. */
    std::string linesAfter(std::uint64_t count);
    const FileDescriptor &descriptor() const noexcept;

    /** The pipes of this owner that wait to be read, since processes hold one of them. */
    static std::size_t heldUp(Owner owner) noexcept;
    /** Waits until what was asked for is read, but for `time` at most. After the last object, and
     *  before what the sinks use ends: threads that read may use it until then. */
    static void awaitReaders(std::chrono::milliseconds time);

private:
    class Pipe;

    void awaitReading(bool last) noexcept;

    EventLoop &loop_;
    /** The threads share it, and may outlive this object. */
    const std::shared_ptr<Pipe> pipe_;
};

using ProcessOutputPtr = std::shared_ptr<ProcessOutput>;

}  // namespace Passenger
