#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/StrongId.h"

namespace Passenger {

class EventLoop;

/** The id of a worker. Ids grow and are never used again. */
using WorkerId = StrongId<struct WorkerIdTag>;

/**
 * The process of a worker. The monitor owns it and uses it on its loop. The destructor kills
 * (SIGKILL) a process that has not ended.
 */
class WorkerProcess {
public:
    virtual ~WorkerProcess() = default;
    virtual pid_t pid() const = 0;
    /** False: the process has ended. A signal never reaches another process. */
    virtual bool signal(int signal) = 0;
    /**
     * In a forked child, where the process belongs to the parent: from now on no method has an
     * effect.
     */
    virtual void forget() noexcept = 0;
};

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

/**
 * Starts workers: as forks of this program (ForkLauncher), as another program (ProgramLauncher), or
 * as a test needs them. Owned by the monitor.
 */
class WorkerLauncher {
public:
    virtual ~WorkerLauncher() = default;
    /**
     * Called once, when the server has its sockets, and before there is a loop.
     * @param work the function of a worker that is a fork; its process ends when the function
     * returns
     * @throws an exception when no worker can be started
     */
    virtual void prepare(std::function<void()> work) {
        static_cast<void>(work);
    }
    /** Sets the loop of launch() and the listener. Both outlive this object. */
    virtual void attach(EventLoop &loop, WorkerListener &listener) {
        static_cast<void>(loop);
        static_cast<void>(listener);
    }
    /**
     * Starts a worker, on the loop. The worker's standard output and error are pipes. Its standard
     * input ends with the monitor. @throws SystemException
     */
    virtual std::unique_ptr<WorkerProcess> launch(WorkerId id) = 0;
};

}  // namespace Passenger
