#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/FileDescriptor.h"
#include "loop/EventLoop.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

class ForkedWorker;

/**
 * Workers that are forks of this program, and go on in a function of it.
 *
 * Who forks while there are other threads may do little in the child: one of them may have held a lock, of the allocator or the log, which nobody
 * gives up there. The monitor has a thread for its loop. Therefore prepare() forks a process with one thread, the fork server, before there is
 * any other, and that one forks the workers (ForkServer.h). So a worker's memory is what the monitor's was at prepare(), with the sockets that the
 * server had opened by then, and anything may be done in it. Which is also why settings that were changed later are not seen in workers.
 *
 * The fork server's end cannot be mended, since there are threads now: the listener is told (launcherEnded()), and all workers end.
 */
class ForkLauncher final : public WorkerLauncher {
public:
    ForkLauncher();
    /** Ends the fork server, and with it workers that are left (SIGKILL). */
    ~ForkLauncher() override;
    ForkLauncher(const ForkLauncher &) = delete;
    ForkLauncher &operator=(const ForkLauncher &) = delete;

    /** On the main thread, which must be the only one. @throws std::logic_error when there are others; SystemException */
    void prepare(std::function<void()> work) override;
    void attach(EventLoop &loop, WorkerListener &listener) override;
    /** Waits for the fork server, for a few milliseconds as a rule and five seconds at most. */
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
    EventLoop *loop_ = nullptr;
    WorkerListener *listener_ = nullptr;
    std::unique_ptr<DescriptorWatcher> watcher_;
    /** Those whose process has not ended. */
    std::map<WorkerId, ForkedWorker *> processes_;
};

}  // namespace Passenger
