#pragma once

#include <functional>
#include <memory>

#include "prefork/WorkerListener.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

class EventLoop;

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
    virtual void prepare(std::function<void()> work) { static_cast<void>(work); }
    /** Sets the loop of launch() and the listener. Both outlive this object. */
    virtual void attach(EventLoop &loop, WorkerListener &listener) {
        loop_ = &loop;
        listener_ = &listener;
    }
    /**
     * Starts a worker, on the loop. The worker's standard output and error are pipes. Its standard
     * input ends with the monitor. @throws SystemException
     */
    virtual std::unique_ptr<WorkerProcess> launch(WorkerId id) = 0;

protected:
    EventLoop *loop_ = nullptr;
    WorkerListener *listener_ = nullptr;
};

}  // namespace Passenger
