#pragma once

#include <string>
#include <string_view>

#include "prefork/WorkerProcess.h"

namespace Passenger {

/**
 * The events of worker processes. Called on the loop, and never within WorkerLauncher::launch(). A
 * method may destroy the WorkerProcess of the event.
 */
class WorkerListener {
public:
    virtual ~WorkerListener() = default;
    /** @param output a message (WorkerOutput.h) or a line. Unknown ids are ignored. */
    virtual void workerStdout(WorkerId id, std::string_view output) = 0;
    virtual void workerStderr(WorkerId id, std::string_view line) = 0;
    /** A line that the worker's application printed into its own pipe. It is never a message. */
    virtual void workerPrinted(WorkerId id, std::string_view line) = 0;
    /**
     * The standard output was closed, so no message can follow. The process usually ends at the
     * same time.
     */
    virtual void workerMute(WorkerId id) = 0;
    /**
     * The process has ended, and all its output was reported.
     * @param status as of waitpid(), or UNKNOWN_WAIT_STATUS
     */
    virtual void workerClosed(WorkerId id, int status) = 0;
    /** No worker can be started from now on, and all workers end. */
    virtual void launcherEnded(const std::string &reason) = 0;
};

}  // namespace Passenger
