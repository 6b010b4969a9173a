#pragma once

#include <memory>
#include <optional>

#include "base/FileDescriptor.h"
#include "io/LineReader.h"
#include "loop/EventLoop.h"
#include "prefork/WorkerListener.h"
#include "prefork/WorkerOutput.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

/**
 * A real process: reads its pipes. Subclasses know how to signal the process and how its end is
 * reported. Used on the loop.
 */
class PipedWorker : public WorkerProcess {
public:
    /**
     * Takes the reading ends of the worker's standard output and error. @param printed the reading
     * end of the pipe for what the worker's application prints, if the worker has one
     */
    PipedWorker(EventLoop &loop, WorkerListener &listener, WorkerId id, FileDescriptor output, FileDescriptor error,
                FileDescriptor printed = {});
    PipedWorker(const PipedWorker &) = delete;
    PipedWorker &operator=(const PipedWorker &) = delete;

    /**
     * Tells the listener the rest of the pipes' contents, and that the process has ended. The
     * listener may destroy this object.
     */
    void processEnded(int status);

protected:
    WorkerId id() const noexcept { return id_; }
    void stopReading() noexcept;

private:
    /** A pipe that carries only lines. */
    class Lines {
    public:
        Lines(EventLoop &loop, FileDescriptor pipe, LineReader::LineCallback told);
        /** Reads the bytes that are there. Does not wait. */
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
