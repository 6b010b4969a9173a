#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "prefork/PreFork.h"
#include "prefork/ProgramLauncher.h"
#include "standalone/ListeningSockets.h"
#include "standalone/StandaloneOptions.h"
#include "standalone/WorkerLoads.h"

namespace Passenger {

/**
 * The monitor of workers that run lib/passenger/http/prefork_worker.rb. It logs their beginning and
 * end. It ends when a worker exits, cannot be started, or is not ready in time, before any was
 * ready: then the application does not load, and another try would not help. A worker that a
 * restart replaces is no such failure. Nor is one that another process killed while others start.
 */
class RackPreFork : public PreFork {
public:
    /**
     * @param ready called on the loop whenever there are workers and all of them are ready
     * @throws IOException without the workers' program; SystemException without memory or
     * descriptors
     */
    RackPreFork(const StandaloneOptions &options, std::shared_ptr<ListeningSockets> sockets,
                std::function<void()> ready);

    static PreForkSettings settingsFrom(const StandaloneOptions &options, std::shared_ptr<ListeningSockets> sockets);

    /**
     * Moves both limits of spare workers as far as it takes to start one worker (`by` 1) or to end
     * one (-1).
     */
    void moveLimits(int by);
    /**
     * The given limits after moveLimits(). The result is normalized. @param spare the number of
     * free and starting workers
     */
    static SpareLimits movedLimits(SpareLimits limits, unsigned spare, int by);
    /** The state for the log: a line for all workers, and one for each worker. */
    std::vector<std::string> status() const;
    /** Whether the PreFork ended because the application did not load. */
    bool failedToBoot() const noexcept { return bootFailed_; }

    /** So short that a pause of all processes is found before the workers' signs of life are as old
     *  as the timeout (Heartbeats). */
    std::chrono::milliseconds serverCheckAck() const override { return timeout() / 4; }

protected:
    void handlerShutdown() override;
    void serverReady(Worker &worker) override;
    void serverBusy(Worker &worker) override;
    void serverNotBusy(Worker &worker) override;
    void serverClosed(Worker &worker, int status) override;
    void serverTimeout(Worker &worker) override;

private:
    RackPreFork(const StandaloneOptions &options, std::shared_ptr<ListeningSockets> sockets,
                std::shared_ptr<WorkerLoads> loads, std::function<void()> ready);

    void tellReady();
    /** A worker exited by itself, or was silent for too long. */
    void noteFailedStart();
    std::string describe(const WorkerSnapshot &worker, const char *state) const;

    const std::shared_ptr<ListeningSockets> sockets_;
    const std::shared_ptr<WorkerLoads> loads_;
    const std::function<void()> whenReady_;
    bool everReady_ = false;
    bool bootFailed_ = false;
    /** When each worker became free or busy, by its pid. */
    std::map<pid_t, MonotonicTime> since_;
};

}  // namespace Passenger
