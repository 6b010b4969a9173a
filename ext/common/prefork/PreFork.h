#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/Clock.h"
#include "base/SystemClock.h"
#include "loop/EventLoop.h"
#include "prefork/PreForkSettings.h"
#include "prefork/SpareControl.h"
#include "prefork/WorkerLauncher.h"
#include "prefork/WorkerListener.h"
#include "prefork/WorkerMonitor.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

/**
 * A monitor for preforked servers. It keeps some workers free, replaces workers that end, and ends
 * workers that are silent. doc/PREFORK-LIBRARY.md maps the names of POE's PreFork to the names
 * here. The attributes are in PreForkAttributes.h; WorkerMonitor has the hooks for a single worker.
 *
 * Use: start() while the process has one thread; then an EventLoop, and run(); waitForEnd() on any
 * thread but the loop's. The PreFork is destroyed before the loop. From run() on, all other methods
 * are called on the loop (EventLoop::runSync). The methods that a subclass overrides are called
 * there, too, except for serverStart(), which is called in the worker.
 *
 * Always true: free, busy and starting workers together are at most max_clients. During
 * restartServers() there is one more. Under a lower setMaxClients() busy ones end when they are
 * free. SIGKILL is only sent to a worker that got SIGINT and did not
 * end within the grace.
 */
class PreFork : public WorkerMonitor, private WorkerListener {
public:
    /** @throws std::invalid_argument without a server or a launcher */
    PreFork(PreForkSettings settings, std::unique_ptr<WorkerLauncher> launcher,
            const Clock &clock = SystemClock::instance());
    /**
     * Kills (SIGKILL) workers that are left. A PreFork of a subclass that overrides methods is
     * destroyed after waitForEnd() only: else the loop may call a method of the destroyed part.
     */
    ~PreFork() override;
    PreFork(const PreFork &) = delete;
    PreFork &operator=(const PreFork &) = delete;

    /**
     * Normalizes the settings, has the server listen and the launcher prepare.
     * @throws their exceptions; the PreFork has ended then
     */
    void start();
    /** Starts the first workers and returns. On any thread. */
    void run(EventLoop &loop);
    /** Waits until all workers have ended. @return the error that ended it; empty: shutdown() */
    std::string waitForEnd();

    /** Ends all workers, SIGINT first. In a worker it only forgets the other workers. */
    void shutdown() { handlerShutdown(); }
    bool shuttingDown() const noexcept { return shuttingDown_; }
    /**
     * Replaces all workers, one by one: starts a new worker and, when that is ready, ends an old
     * one. When a new worker ends before it is ready, the other old workers stay, and
     * restartEnded() gets the reason. A call during a restart begins it anew.
     */
    void restartServers();
    bool restarting() const noexcept { return newestOld_.has_value(); }
    /** Whether this process is a worker. */
    virtual bool isChild() const { return isChild_; }

    // For callers without a loop, with their own clock.
    /** Starts the first workers. */
    void begin();
    /** When runAlarms() has something to do. */
    std::optional<MonotonicTime> nextAlarm() const;
    void runAlarms();
    WorkerListener &listener() noexcept { return *this; }

protected:
    // The states of POE's PreFork. On the loop, but for handlerStart(), and handlerShutdown() in a
    // worker.
    virtual void handlerStart();
    /** The server could not listen, or the launcher has ended. */
    virtual void handlerChild(const std::string &reason);
    virtual void handlerStop();
    virtual void handlerRunError(const std::string &operation, int error);
    virtual void handlerShutdown();
    virtual void handlerServerClosed(WorkerId id, int status);
    void handlerForkoff() override;
    virtual void handlerServerFork();

    /** In the worker: forgets the monitor's state, then calls PreForkServer::resumeAccept(). */
    virtual void serverStart();

    // Not of POE's PreFork.
    /** The worker's process has ended. */
    virtual void serverClosed(Worker &worker, int status);
    /** @param problem the reason why the restart stopped; empty: only new workers are left */
    virtual void restartEnded(const std::string &problem);

private:
    void workerStdout(WorkerId id, std::string_view output) override;
    void workerStderr(WorkerId id, std::string_view line) override;
    void workerPrinted(WorkerId id, std::string_view line) override;
    void workerMute(WorkerId id) override;
    void workerClosed(WorkerId id, int status) override;
    void launcherEnded(const std::string &reason) override;

    void attributesChanged() override;
    void becameReady(WorkerId id) override;
    void startTimedOut(WorkerId id) override;

    void advanceRestart();
    void notReady(WorkerId id, const std::string &problem);
    void stopRestart(const std::string &problem);
    void forgetRestart() noexcept;

    void noteDeath(const Worker &worker, int status);
    void stopIfOver();
    void setAlarm();

    std::unique_ptr<WorkerLauncher> launcher_;
    EventLoop *loop_ = nullptr;
    std::unique_ptr<Timer> timer_;
    /** The time that the timer is set to. */
    std::optional<MonotonicTime> alarm_;
    bool begun_ = false;
    bool isChild_ = false;
    bool shuttingDown_ = false;
    bool ended_ = false;
    std::string failure_;
    std::promise<void> end_;
    std::shared_future<void> awaitedEnd_ = end_.get_future().share();
    SpareControl spares_;
    /** While restartServers() replaces workers: those up to this id are old. */
    std::optional<WorkerId> newestOld_;
    /** The replacement that is starting; none at the beginning. */
    WorkerId replacement_;
};

}  // namespace Passenger
