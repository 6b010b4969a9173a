#pragma once

#include <memory>
#include <optional>

#include "base/FileDescriptor.h"
#include "io/LineReader.h"
#include "loop/EventLoop.h"
#include "prefork/WorkerOutput.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

/** A worker process over a real process: takes in what it writes. Its subclasses know how to signal the process and how its end is learned. On the loop. */
class PipedWorker : public WorkerProcess {
public:
    /** Reading ends of the worker's standard output and error, and of what its application prints where that has a pipe of its own; owned from now on. */
    PipedWorker(EventLoop &loop, WorkerListener &listener, WorkerId id, FileDescriptor output, FileDescriptor error,
                FileDescriptor printed = {});
    PipedWorker(const PipedWorker &) = delete;
    PipedWorker &operator=(const PipedWorker &) = delete;

    /** Tells the listener what is left in the pipes, and that the process has ended. The listener may destroy this. */
    void processEnded(int status);

protected:
    WorkerId id() const noexcept {
        return id_;
    }
    void stopReading() noexcept;

private:
    /** A pipe that gives lines and nothing else. */
    class Lines {
    public:
        Lines(EventLoop &loop, FileDescriptor pipe, LineReader::LineCallback told);
        /** What is there, and no more. */
        void finish();
        void stop() noexcept;

    private:
        void read();

        FileDescriptor pipe_;
        LineReader reader_;
        LineReader::LineCallback told_;
        std::unique_ptr<DescriptorWatcher> watcher_;
    };

    void readOutput();

    WorkerListener &listener_;
    WorkerId id_;
    FileDescriptor output_;
    WorkerOutput worker_;
    WorkerOutput::Callback toldOutput_;
    std::unique_ptr<DescriptorWatcher> outputWatcher_;
    Lines errors_;
    std::optional<Lines> printed_;
};

}  // namespace Passenger
