#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>

#include "base/FileDescriptor.h"
#include "loop/EventLoop.h"
#include "prefork/WorkerLauncher.h"
#include "prefork/WorkerListener.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

class ForkedWorker;

/**
 * Starts workers that are forks of this program and call a function of it.
 *
 * The monitor has a thread for its loop. A fork of a process with threads must not use the
 * allocator or the log. A thread that the child does not have may hold a lock of these. Therefore
 * prepare() forks the fork server (ForkServer.h), while the process has one thread, and the fork
 * server forks the workers. So a worker has the monitor's memory as of prepare(), with the sockets
 * that the server had opened by then. Settings that change later do not reach the workers.
 *
 * A fork server that has ended cannot be replaced, since the monitor has threads now. Then the
 * listener gets launcherEnded(), and all workers end.
 */
class ForkLauncher final : public WorkerLauncher {
public:
    ForkLauncher();
    /** Ends the fork server and thereby workers that are left (SIGKILL). */
    ~ForkLauncher() override;
    ForkLauncher(const ForkLauncher &) = delete;
    ForkLauncher &operator=(const ForkLauncher &) = delete;

    /**
     * Called on the only thread of the process.
     * @throws std::logic_error when there are others; SystemException
     */
    void prepare(std::function<void()> work) override;
    void attach(EventLoop &loop, WorkerListener &listener) override;
    /** Waits for the fork server: usually some milliseconds, at most five seconds. */
    std::unique_ptr<WorkerProcess> launch(WorkerId id) override;

private:
    friend class ForkedWorker;

    void readDeath();
    void forkServerEnded();

    FileDescriptor orders_;
    FileDescriptor deaths_;
    FileDescriptor lifeline_;
    pid_t forkServer_ = 0;
    FileDescriptor forkServerFd_;
    std::unique_ptr<DescriptorWatcher> watcher_;
    /** The workers whose process has not ended. */
    std::map<WorkerId, ForkedWorker *> processes_;
};

}  // namespace Passenger
