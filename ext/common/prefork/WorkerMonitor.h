#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string_view>

#include "base/Clock.h"
#include "loop/EventLoop.h"
#include "prefork/OutputWriter.h"
#include "prefork/PreForkAttributes.h"
#include "prefork/PreForkWorker.h"
#include "prefork/SilenceWatch.h"
#include "prefork/WorkerLauncher.h"
#include "prefork/WorkerSet.h"

namespace Passenger {

/**
 * The part of a PreFork that watches each worker. It keeps a worker's state by its messages, passes
 * its output on, and ends a worker that is silent for too long. PreFork, the only subclass, decides
 * how many workers there are. All methods are called on the loop.
 *
 * Always true: a worker is in exactly one of freeServers(), busyServers() and the ending workers.
 */
class WorkerMonitor : public PreForkAttributes {
public:
    using Worker = PreForkWorker;
    using Snapshot = WorkerSet::Snapshot;

    /** Free workers, with those that are starting, by their pid. */
    Snapshot freeServers() const { return workers_.freeServers(); }
    Snapshot busyServers() const { return workers_.busyServers(); }
    std::map<WorkerId, pid_t> idToPid() const { return workers_.idToPid(); }
    /** Whether the process is a worker, also one that ends. */
    bool isWorker(pid_t pid) const noexcept { return workers_.hasPid(pid); }
    SpareCounts counts() const noexcept { return workers_.counts(); }
    /** The number of workers that were told to end and have not ended. */
    std::size_t endingServers() const noexcept { return workers_.ending(); }
    /** The interval of handlerServerTimeoutCheck(). Zero: never. */
    virtual std::chrono::milliseconds serverCheckAck() const;

protected:
    WorkerMonitor(PreForkSettings settings, const Clock &clock);

    // States of POE's PreFork.
    virtual void handlerServerStderr(WorkerId id, std::string_view line);
    virtual void handlerServerAck(WorkerId id, std::string_view output);
    virtual void handlerServerTimeoutCheck();
    virtual void handlerForkoff() = 0;

    virtual void serverAck(Worker &worker);
    virtual void serverBusy(Worker &worker);
    virtual void serverNotBusy(Worker &worker);
    /** Writes other output than the constants to ours: `PID STDOUT: …`, `PID STDERR: …`. */
    virtual void serverStdout(Worker &worker, std::string_view output);
    virtual void serverStderr(Worker &worker, std::string_view line);
    /**
     * The worker is silent for too long. By default the other two call this, and this ends the
     * worker: SIGINT, and SIGKILL after the grace. From then on the worker does not count.
     */
    virtual void serverTimeout(Worker &worker);
    virtual void serverTimeoutBusy(Worker &worker);
    virtual void serverTimeoutFree(Worker &worker);
    /** Not of POE's PreFork: the worker's first message. */
    virtual void serverReady(Worker &worker);

    MonotonicTime now() const { return clock_.now(); }
    void attributesChanged() override;
    std::chrono::milliseconds ackInterval() const { return silence_.ackInterval(); }
    const WorkerSet &workers() const noexcept { return workers_; }
    /** @return null without such a worker */
    Worker *find(WorkerId id) noexcept { return workers_.find(id); }
    void attachOutput(EventLoop &loop);
    /** @throws SystemException */
    void startWorker(WorkerLauncher &launcher);
    /** The id of the last startWorker(), whether it succeeded or not. */
    WorkerId newestId() const noexcept { return lastId_; }
    /** Tells the worker to end. From now on it does not count. */
    void end(WorkerId id);
    void endAll();
    /** The worker has ended. @return an empty node without such a worker */
    PreForkWorkers::node_type remove(WorkerId id);
    /** Destroys all workers, which kills their processes. Detaches the output from the loop. */
    void discardAll();
    /** In a worker: destroys all workers without an effect on the processes. */
    void forgetAll() noexcept;

    void noteMute(WorkerId id);
    void planCheck();
    /**
     * Ends silent workers: by handlerServerTimeoutCheck() if that is due, and all others itself.
     */
    void checkSilence();
    void killDue() { workers_.killDue(now()); }
    /** When checkSilence() has something to do. */
    std::optional<MonotonicTime> nextSilence() const { return silence_.nextDue(); }

private:
    virtual void becameReady(WorkerId id) = 0;
    /** The worker was not ready in time. It ends, unless a subclass overrides serverTimeout(). */
    virtual void startTimedOut(WorkerId id) = 0;

    void timeOut(WorkerId id);

    const Clock &clock_;
    WorkerId lastId_;
    WorkerSet workers_;
    SilenceWatch silence_;
    OutputWriter standardOutput_;
    OutputWriter standardError_;
};

}  // namespace Passenger
