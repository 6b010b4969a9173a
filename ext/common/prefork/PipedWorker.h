#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

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
    /** A pipe whose bytes a LineReader or a WorkerOutput divides. */
    template <typename Divider> class Pipe {
    public:
        using Callback = std::function<void(std::string_view)>;

        /** @param closed called when the pipe ends before finish() */
        Pipe(
            EventLoop &loop, FileDescriptor pipe, Callback told, std::function<void()> closed = [] {});
        /** Reads the bytes that are there. Does not wait. */
        void finish();
        void stop() noexcept { watcher_.reset(); }

    private:
        void read();

        FileDescriptor pipe_;
        Divider divider_;
        Callback told_;
        std::function<void()> closed_;
        std::unique_ptr<DescriptorWatcher> watcher_;
    };

    WorkerListener &listener_;
    WorkerId id_;
    Pipe<WorkerOutput> output_;
    Pipe<LineReader> errors_;
    std::optional<Pipe<LineReader>> printed_;
};

}  // namespace Passenger
