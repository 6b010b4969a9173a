#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/Clock.h"
#include "loop/EventLoop.h"
#include "policy/ForkDelay.h"
#include "policy/Heartbeats.h"
#include "policy/SparePolicy.h"
#include "policy/SurplusWindow.h"
#include "prefork/OutputWriter.h"
#include "prefork/PreForkServer.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

struct PreForkSettings {
    std::shared_ptr<PreForkServer> server;
    /** Whether a fork that fails ends everything; else it is tried again, later and later. */
    bool shutdownOnError = true;
    /** start_servers, min_spare_servers, max_spare_servers and max_clients. */
    SpareLimits limits;
    /** About how long a worker may be silent; zero: for ever. */
    std::chrono::milliseconds timeout{0};

    /** The same until its first sign, for workers that take long to load; zero: `timeout` counts from the start. */
    std::chrono::milliseconds startTimeout{0};
    /** From SIGINT to SIGKILL. */
    std::chrono::milliseconds grace{10000};
    /** For how long there must be too many free ones before any of them ends, so that they do not come and go with each connection. */
    std::chrono::milliseconds surplusTime{1000};
};

/**
 * A monitor for preforked servers: it keeps so many workers that some are free, replaces those that have ended, and ends those that are silent.
 * doc/PREFORK-LIBRARY.md says which name of POE's PreFork is which here.
 *
 * Use: start() while the process has one thread; then an EventLoop, and run(); waitForEnd() anywhere but on the loop; destroyed before the loop.
 * From run() on all other methods are called on the loop only (EventLoop::runSync), and so are all that a subclass overrides, except for
 * serverStart(), which is called in the worker.
 *
 * Always true: a worker is in exactly one of freeServers(), busyServers() and those that were told to end; the first two together, with those that
 * are starting, are at most max_clients, but for one during restartServers(). Only who was told to end, and did not within the grace, is killed.
 */
class PreFork : private WorkerListener {
public:
    /** What is known of a worker. */
    struct Worker {
        WorkerId id;
        pid_t pid = 0;
        std::unique_ptr<WorkerProcess> process;
        MonotonicTime lastAck;
        MonotonicTime startTime;
        /** Whether it has told anything yet: until then it is starting. */
        bool ready = false;
        /** Whether it has been at work and then free again: it works, whatever becomes of it. */
        bool proven = false;
        /** When it is killed, once it was told to end. */
        std::optional<MonotonicTime> killTime;
    };
    /** A copy of it. */
    struct WorkerSnapshot {
        WorkerId id;
        pid_t pid = 0;
        MonotonicTime lastAck;
        MonotonicTime startTime;
        bool ready = false;
    };
    using Snapshot = std::map<pid_t, WorkerSnapshot>;

    PreFork(PreForkSettings settings, std::unique_ptr<WorkerLauncher> launcher,
            const Clock &clock = SystemClock::instance());
    /** Kills (SIGKILL) workers that are left. A subclass that overrides anything is destroyed after waitForEnd() only: its part has gone when this
     *  gets onto the loop, which may call its methods until then. */
    ~PreFork() override;
    PreFork(const PreFork &) = delete;
    PreFork &operator=(const PreFork &) = delete;

    /** Makes the settings sensible, has the server listen and the launcher prepare. @throws what those throw; it has ended then */
    void start();
    /** Starts the first workers, and goes on by itself. From any thread. */
    void run(EventLoop &loop);
    /** Until shutdown() is over. @return why it ended by itself; empty: since it was told to */
    std::string waitForEnd();

    /** Ends all workers, SIGINT first; then it has ended. In a worker it only forgets the others. */
    void shutdown() {
        handlerShutdown();
    }
    bool shuttingDown() const noexcept {
        return shuttingDown_;
    }
    /** Worker by worker: a new one is started and, when it is ready, an old one ends. When a new one ends before it is ready, the rest of the old ones
     *  stays, and restartEnded() hears why. Called again meanwhile, it begins anew. */
    void restartServers();
    bool restarting() const noexcept {
        return restart_.has_value();
    }

    /** Attributes. What is set is made sensible together, with a line in the log, and counts at once; before start(), from any thread. */
    PreForkServer &server() const noexcept {
        return *settings_.server;
    }
    /** @throws std::invalid_argument where there is none; std::logic_error once there was a start() */
    void setServer(std::shared_ptr<PreForkServer> server);
    bool shutdownOnError() const noexcept {
        return settings_.shutdownOnError;
    }
    void setShutdownOnError(bool value) noexcept {
        settings_.shutdownOnError = value;
    }
    const SpareLimits &limits() const noexcept {
        return settings_.limits;
    }
    void setLimits(const SpareLimits &limits);
    unsigned minSpareServers() const noexcept {
        return settings_.limits.minSpare;
    }
    void setMinSpareServers(unsigned count) {
        setLimit(&SpareLimits::minSpare, count);
    }
    unsigned maxSpareServers() const noexcept {
        return settings_.limits.maxSpare;
    }
    void setMaxSpareServers(unsigned count) {
        setLimit(&SpareLimits::maxSpare, count);
    }
    /** Counts the next time that there are no workers. */
    unsigned startServers() const noexcept {
        return settings_.limits.start;
    }
    void setStartServers(unsigned count) {
        setLimit(&SpareLimits::start, count);
    }
    unsigned maxClients() const noexcept {
        return settings_.limits.maxClients;
    }
    void setMaxClients(unsigned count) {
        setLimit(&SpareLimits::maxClients, count);
    }
    std::chrono::milliseconds timeout() const noexcept {
        return settings_.timeout;
    }
    /** @throws std::logic_error after start(): then workers have learned how often to give a sign */
    void setTimeout(std::chrono::milliseconds timeout);

    /** Those that are free, with those that are starting, and those that are busy, by their pid. */
    Snapshot freeServers() const;
    Snapshot busyServers() const;
    std::map<WorkerId, pid_t> idToPid() const;
    SpareCounts counts() const noexcept;
    /** Told to end, and not yet ended. */
    std::size_t endingServers() const noexcept {
        return ending_.size();
    }
    /** How often silent workers are looked for; zero: never. */
    virtual std::chrono::milliseconds serverCheckAck() const;
    /** Whether this is a worker. */
    virtual bool isChild() const {
        return isChild_;
    }

    /** For those who drive it without a loop, by a clock of their own: begins; when something is to be done next; does what is due. */
    void begin();
    std::optional<MonotonicTime> nextAlarm() const;
    void runAlarms();
    WorkerListener &listener() noexcept {
        return *this;
    }

protected:
    // The states of POE's PreFork. On the loop, but for handlerStart(), and handlerShutdown() in a worker.
    virtual void handlerStart();
    /** The server has ended. */
    virtual void handlerChild(const std::string &reason);
    virtual void handlerStop();
    virtual void handlerRunError(const std::string &operation, int error);
    virtual void handlerShutdown();
    virtual void handlerServerClosed(WorkerId id, int status);
    virtual void handlerServerStderr(WorkerId id, std::string_view line);
    virtual void handlerServerAck(WorkerId id, std::string_view output);
    virtual void handlerServerTimeoutCheck();
    virtual void handlerForkoff();
    virtual void handlerServerFork();

    /** In the worker: forgets what is the monitor's, then PreForkServer::resumeAccept(). */
    virtual void serverStart();
    virtual void serverAck(Worker &worker);
    virtual void serverBusy(Worker &worker);
    virtual void serverNotBusy(Worker &worker);
    /** Output that is none of the constants, as `PID STDOUT: …` and `PID STDERR: …` on ours. */
    virtual void serverStdout(Worker &worker, std::string_view output);
    virtual void serverStderr(Worker &worker, std::string_view line);
    /** It is silent for too long: SIGINT, and SIGKILL after the grace. By default the other two call it. It does not count any more afterwards. */
    virtual void serverTimeout(Worker &worker);
    virtual void serverTimeoutBusy(Worker &worker);
    virtual void serverTimeoutFree(Worker &worker);

    // Not of POE's PreFork.
    /** Its first sign. */
    virtual void serverReady(Worker &worker);
    /** It has ended. */
    virtual void serverClosed(Worker &worker, int status);
    /** @param problem why it stopped; empty: there are new ones only */
    virtual void restartEnded(const std::string &problem);

private:
    using Workers = std::map<WorkerId, Worker>;
    struct Restart {
        /** When it began; who was started before is old. */
        WorkerId lastOld;
        WorkerId replacement;
    };

    void workerStdout(WorkerId id, std::string_view output) override;
    void workerStderr(WorkerId id, std::string_view line) override;
    void workerPrinted(WorkerId id, std::string_view line) override;
    void workerMute(WorkerId id) override;
    void workerClosed(WorkerId id, int status) override;
    void launcherEnded(const std::string &reason) override;

    void mend();
    void setLimit(unsigned SpareLimits::*limit, unsigned count);
    void planCheck(MonotonicTime now);
    Worker *find(WorkerId id) noexcept;
    void fork();
    void sign(Worker &worker);
    void end(WorkerId id);
    void send(Worker &worker, int signal);
    void killDue(MonotonicTime now);
    void endSilent(MonotonicTime now);
    void timeOut(WorkerId id);
    void forget() noexcept;
    void stopIfOver();
    void endSurplus(MonotonicTime now);
    void advanceRestart();
    void stopRestart(const std::string &problem);
    std::optional<WorkerId> oldWorker() const;
    void setAlarm();

    PreForkSettings settings_;
    std::unique_ptr<WorkerLauncher> launcher_;
    const Clock &clock_;
    EventLoop *loop_ = nullptr;
    std::unique_ptr<Timer> timer_;
    /** What the timer is set to. */
    std::optional<MonotonicTime> alarm_;
    bool started_ = false;
    bool begun_ = false;
    bool isChild_ = false;
    bool shuttingDown_ = false;
    bool ended_ = false;
    std::string failure_;
    std::promise<void> end_;
    std::shared_future<void> awaitedEnd_ = end_.get_future().share();

    std::uint64_t lastId_ = 0;
    /** In the order of their age. */
    Workers free_;
    Workers busy_;
    Workers ending_;
    /** Of the free ones, those that are not ready. */
    unsigned starting_ = 0;
    /** Those that closed their standard output, and when they are ended if they have not gone by then. */
    std::map<WorkerId, MonotonicTime> mute_;
    Heartbeats<WorkerId> heartbeats_;
    std::optional<MonotonicTime> nextCheck_;
    ForkDelay delay_;
    /** When more workers are wanted than may be started now. */
    std::optional<MonotonicTime> forkTime_;
    SurplusWindow surplus_;
    std::optional<Restart> restart_;
    OutputWriter standardOutput_;
    OutputWriter standardError_;
};

}  // namespace Passenger
