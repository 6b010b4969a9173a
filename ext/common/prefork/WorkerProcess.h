#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/StrongId.h"

namespace Passenger {

class EventLoop;

/** Of a worker process; grows, and is never used again. */
using WorkerId = StrongId<struct WorkerIdTag>;

/** A worker's process as its monitor holds it. Owned by the monitor, used on its loop. What destroys it kills (SIGKILL) a process that still runs. */
class WorkerProcess {
public:
    virtual ~WorkerProcess() = default;
    virtual pid_t pid() const = 0;
    /** False: it has ended already. Never reaches another process. */
    virtual bool signal(int signal) = 0;
    /** In a forked child: the process is the parent's. From now on this does nothing any more. */
    virtual void forget() noexcept = 0;
};

/** Who hears of processes; on the loop, and never from within WorkerLauncher::launch(). May destroy the worker process that it is told of. */
class WorkerListener {
public:
    virtual ~WorkerListener() = default;
    /** @param output one of the constants of WorkerOutput.h, or a line. Unknown ids are ignored. */
    virtual void workerStdout(WorkerId id, std::string_view output) = 0;
    virtual void workerStderr(WorkerId id, std::string_view line) = 0;
    /** A line of what the worker's application prints, where that has a pipe of its own: never a constant, whatever it looks like. */
    virtual void workerPrinted(WorkerId id, std::string_view line) = 0;
    /** Its standard output was closed: it cannot tell anything any more. Its end comes at the same time, as a rule. */
    virtual void workerMute(WorkerId id) = 0;
    /** The process has ended, and all its output was told. @param status as of waitpid(), or UNKNOWN_WAIT_STATUS */
    virtual void workerClosed(WorkerId id, int status) = 0;
    /** No worker can be started ever again, and those that there are end. */
    virtual void launcherEnded(const std::string &reason) = 0;
};

/** Starts workers: as forks of this program (ForkLauncher), as another program (ProgramLauncher), or as tests like it. Owned by the monitor. */
class WorkerLauncher {
public:
    virtual ~WorkerLauncher() = default;
    /** Once, when the server has its sockets, and before there is a loop. @param work what a worker does that is a fork of this program; the process
     *  ends when it returns. @throws what keeps workers from ever being started */
    virtual void prepare(std::function<void()> work) {
        static_cast<void>(work);
    }
    /** The loop that launch() will be called on, and who hears of what. Both outlive this. */
    virtual void attach(EventLoop &loop, WorkerListener &listener) {
        static_cast<void>(loop);
        static_cast<void>(listener);
    }
    /** A new worker, on the loop. It has pipes as its standard output and error; its standard input ends with the monitor.
     *  @throws SystemException */
    virtual std::unique_ptr<WorkerProcess> launch(WorkerId id) = 0;
};

}  // namespace Passenger
