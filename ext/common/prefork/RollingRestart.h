#pragma once

#include <optional>
#include <string>

#include "prefork/WorkerProcess.h"

namespace Passenger {

/**
 * A restart of all workers, one by one: starts a replacement and, when that is ready, ends an old
 * worker. Owned by the monitor, on its loop.
 */
class RollingRestart {
public:
    /** The monitor. */
    class Owner {
    public:
        virtual ~Owner() = default;
        /** @return the new worker's id. @throws whatever keeps workers from being started */
        virtual WorkerId startReplacement() = 0;
        /** An unknown id is ignored. */
        virtual void endWorker(WorkerId id) = 0;
        /** The worker to end next, of those with an id up to `newest`. */
        virtual std::optional<WorkerId> nextToReplace(WorkerId newest) const = 0;
        /** @param problem the reason why the restart stopped; empty: only new workers are left */
        virtual void restartEnded(const std::string &problem) = 0;
    };

    /** @param owner outlives this */
    explicit RollingRestart(Owner &owner) : owner_(owner) {}

    bool running() const noexcept { return newestOld_.has_value(); }
    /**
     * Begins, or begins anew; then the replacement that is starting ends, too.
     * @param newest workers up to this id are old
     */
    void begin(WorkerId newest);
    void workerReady(WorkerId id);
    /** The worker ended before it was ready. */
    void workerFailed(WorkerId id, const std::string &problem);
    /** Ends the restart. Does not call restartEnded(). */
    void cancel() noexcept;

private:
    void advance();
    void stop(const std::string &problem);

    Owner &owner_;
    std::optional<WorkerId> newestOld_;
    /** The replacement that is starting; none at the beginning. */
    WorkerId replacement_;
};

}  // namespace Passenger
