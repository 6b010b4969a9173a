// Group: what it tells of itself.

#include "pool/Group.h"

namespace Passenger {

GroupState Group::state(MonotonicTime now) const {
    if (shutDown_) {
        return GroupState::SHUT_DOWN;
    }
    if (deployment_) {
        return GroupState::DEPLOYING;
    }
    if (instances_.serving() > 0) {
        return deployFailure_ ? GroupState::DEPLOY_FAILED : GroupState::SERVING;
    }
    if (starting_ > 0 || standby_) {
        return GroupState::STARTING;
    }
    return failsAtOnce(now) ? GroupState::FAILED : GroupState::DOWN;
}

GroupSnapshot Group::inspect(MonotonicTime now) const {
    GroupSnapshot snapshot;
    snapshot.name = name_;
    snapshot.appRoot = options_.appRoot;
    snapshot.environment = options_.environment;
    snapshot.state = state(now);
    snapshot.version = version_;
    snapshot.starting = starting_;
    snapshot.heartbeats = hangs_.heartbeats();
    snapshot.minInstances = options_.minInstances;
    snapshot.maxInstances = maxInstances();
    snapshot.minSpareInstances = options_.minSpareInstances;
    snapshot.maxSpareInstances = options_.maxSpareInstances;
    snapshot.counters = counters_;
    snapshot.failure = snapshot.state == GroupState::DEPLOY_FAILED ? deployFailure_
                       : snapshot.state == GroupState::FAILED      ? failure_
                                                                   : std::nullopt;
    snapshot.spawnFallback = spawnFallback_;
    if (lastFailure_) {
        snapshot.lastFailure = FailureSnapshot{lastFailure_->reportId, lastFailure_->summary, now - lastFailure_->when};
    }
    snapshot.queue.limit = options_.maxQueueSize;
    snapshot.queue.oldest = waitingSince_ ? now - *waitingSince_ : std::chrono::nanoseconds(0);
    const unsigned inFlight = queue_.inFlight();
    const unsigned taken = inFlight > 0 ? queue_.claims().taken() : 0;
    snapshot.queue.waiting = inFlight > taken ? inFlight - taken : 0;
    const GroupStatistics statistics = queue_.statistics();
    snapshot.counters.requests = statistics.completed;
    snapshot.counters.refused = statistics.refused;
    snapshot.counters.timedOut = statistics.timedOut;
    snapshot.counters.clientsLeft = statistics.left;
    snapshot.serviceTime = statistics.serviceTime;
    snapshot.queueTime = statistics.queueTime;
    for (const ProcessPtr &process : instances_.all()) {
        snapshot.processes.push_back(inspect(*process, now));
    }
    if (standby_) {
        snapshot.processes.push_back(inspect(*standby_->process, now));
    }
    return snapshot;
}

ProcessSnapshot Group::inspect(const Process &process, MonotonicTime now) const {
    ProcessSnapshot snapshot;
    snapshot.id = process.id();
    snapshot.pid = process.pid();
    snapshot.stickyId = process.stickyId();
    snapshot.state = process.state;
    snapshot.version = process.version();
    snapshot.age = now - process.since();
    snapshot.memory = process.memory;
    snapshot.replacementReason = process.replacementReason;
    snapshot.sockets.push_back({process.socket.cells, process.socket.concurrency, queue_.taken(process.socket.cells)});
    return snapshot;
}

const char *nameOf(GroupState state) noexcept {
    switch (state) {
        case GroupState::DOWN:
            return "down";
        case GroupState::STARTING:
            return "starting";
        case GroupState::SERVING:
            return "serving";
        case GroupState::DEPLOYING:
            return "deploying";
        case GroupState::DEPLOY_FAILED:
            return "deploy-failed";
        case GroupState::FAILED:
            return "failed";
        case GroupState::SHUT_DOWN:
            return "shut-down";
    }
    return "unknown";
}

const char *nameOf(Process::State state) noexcept {
    switch (state) {
        case Process::State::STANDBY:
            return "standby";
        case Process::State::SERVING:
            return "serving";
        case Process::State::DISABLED:
            return "disabled";
        case Process::State::DRAINING:
            return "draining";
        case Process::State::DEAD:
            return "dead";
    }
    return "unknown";
}

}  // namespace Passenger
