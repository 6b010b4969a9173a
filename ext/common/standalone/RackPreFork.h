#pragma once

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
 * The monitor of workers that run lib/passenger/http/prefork_worker.rb. Says in the log how they begin and end, and ends itself when the very first ones
 * do not become ready: then the application does not load, and trying again would not help.
 */
class RackPreFork : public PreFork {
public:
    /** @param ready called on the loop whenever there are workers and all are ready; the first ones may have ended before
     *  @throws IOException when the program of the workers is not there; SystemException without memory or descriptors */
    RackPreFork(const StandaloneOptions &options, std::shared_ptr<ListeningSockets> sockets,
                std::function<void()> ready);

    static PreForkSettings settingsFrom(const StandaloneOptions &options, std::shared_ptr<ListeningSockets> sockets);

    /** Both limits of spare workers move so far that there is one worker more (`by` 1), or one fewer (-1). */
    void moveLimits(int by);
    /** The same for so many workers that are free or starting, and these limits; they stay sensible. */
    static SpareLimits movedLimits(SpareLimits limits, unsigned spare, int by);
    /** What is there, for the log: a line for each worker. */
    std::vector<std::string> status() const;
    /** The application did not load: why all ended. */
    bool failedToBoot() const noexcept {
        return bootFailed_;
    }

protected:
    void handlerShutdown() override;
    void serverReady(Worker &worker) override;
    void serverBusy(Worker &worker) override;
    void serverNotBusy(Worker &worker) override;
    void serverClosed(Worker &worker, int status) override;

private:
    RackPreFork(const StandaloneOptions &options, std::shared_ptr<ListeningSockets> sockets,
                std::shared_ptr<WorkerLoads> loads, std::function<void()> ready);

    void tellReady();
    std::string describe(const WorkerSnapshot &worker, const char *state) const;

    const std::shared_ptr<ListeningSockets> sockets_;
    const std::shared_ptr<WorkerLoads> loads_;
    const std::function<void()> whenReady_;
    bool everReady_ = false;
    bool bootFailed_ = false;
    /** Since when each worker is free or busy, by its pid. */
    std::map<pid_t, MonotonicTime> since_;
};

}  // namespace Passenger
