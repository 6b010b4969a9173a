#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "policy/SparePolicy.h"
#include "prefork/PreForkWorker.h"

namespace Passenger {

/**
 * The workers that count: free ones, with those that are starting, and busy ones. Beside them those
 * that were told to end (SIGINT) and have not ended yet: they do not count. One that does not end
 * within the grace is killed (SIGKILL). Owned by the monitor, on its loop.
 */
class WorkerSet {
public:
    using Snapshot = std::map<pid_t, WorkerSnapshot>;

    /** Adds a worker that is starting. */
    PreForkWorker &add(WorkerId id, std::unique_ptr<WorkerProcess> process, MonotonicTime now);
    /** Also a worker that ends. @return null without such a worker */
    PreForkWorker *find(WorkerId id) noexcept;
    /** Whether the worker counts. */
    bool contains(WorkerId id) const noexcept { return free_.contains(id) || busy_.contains(id); }
    bool isBusy(WorkerId id) const noexcept { return busy_.contains(id); }
    bool isEnding(WorkerId id) const noexcept { return ending_.contains(id); }
    void becomeReady(PreForkWorker &worker) noexcept;
    void becomeBusy(WorkerId id);
    void becomeFree(WorkerId id);
    /** Sends SIGINT to a worker that counts. @return false without such a worker */
    bool end(WorkerId id, MonotonicTime killTime);
    /**
     * A worker that ends sent a message. The first message repeats SIGINT: a program that is
     * starting, as Ruby, may lose a signal.
     */
    void noteMessageOfEnding(PreForkWorker &worker);
    void killDue(MonotonicTime now);
    std::optional<MonotonicTime> nextKill() const;
    /** The worker has ended. @return an empty node without such a worker */
    PreForkWorkers::node_type remove(WorkerId id);
    void clear() noexcept;
    /** In a worker: the same without an effect on the processes. */
    void forget() noexcept;

    /** Whether there is no worker, not even one that ends. */
    bool empty() const noexcept { return free_.empty() && busy_.empty() && ending_.empty(); }
    std::size_t ending() const noexcept { return ending_.size(); }
    /** A free worker if there is one, else a busy one. */
    std::optional<WorkerId> first() const;
    SpareCounts counts() const noexcept;
    Snapshot freeServers() const;
    Snapshot busyServers() const;
    std::map<WorkerId, pid_t> idToPid() const;
    /** Whether a worker has the pid, also one that ends. */
    bool hasPid(pid_t pid) const noexcept;
    /** Free workers that are ready, the oldest first, at most `count`. */
    std::vector<WorkerId> oldestFree(unsigned count) const;
    /**
     * The worker that a restart ends next, among those with an id up to `last`. A ready free one
     * comes first, then one that is starting, then a busy one. If there are several, the oldest.
     */
    std::optional<WorkerId> nextToReplace(WorkerId last) const;

private:
    PreForkWorkers::node_type extract(WorkerId id);

    PreForkWorkers free_;
    PreForkWorkers busy_;
    PreForkWorkers ending_;
    /** How many of free_ are not ready. */
    unsigned starting_ = 0;
};

}  // namespace Passenger
