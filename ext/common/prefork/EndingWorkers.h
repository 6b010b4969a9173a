#pragma once

#include <cstddef>
#include <optional>

#include "prefork/PreForkWorker.h"

namespace Passenger {

/**
 * The workers that were told to end (SIGINT) and have not ended yet. A worker that does not end
 * within the grace is killed (SIGKILL). Owned by the monitor, on its loop.
 */
class EndingWorkers {
public:
    /** Sends SIGINT. */
    void add(PreForkWorkers::node_type node, MonotonicTime killTime);
    /** @return null without such a worker */
    PreForkWorker *find(WorkerId id) noexcept;
    bool contains(WorkerId id) const noexcept { return workers_.contains(id); }
    /**
     * A worker sent a message. The first message repeats SIGINT: a program that is starting, as
     * Ruby, may lose a signal.
     */
    void noteMessage(PreForkWorker &worker);
    /** @return an empty node without such a worker */
    PreForkWorkers::node_type extract(WorkerId id) { return workers_.extract(id); }
    void killDue(MonotonicTime now);
    std::optional<MonotonicTime> nextDue() const;
    bool empty() const noexcept { return workers_.empty(); }
    std::size_t size() const noexcept { return workers_.size(); }
    void clear() noexcept { workers_.clear(); }
    /** In a worker: the same without an effect on the processes. */
    void forget() noexcept;

private:
    PreForkWorkers workers_;
};

}  // namespace Passenger
