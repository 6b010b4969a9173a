#include "pool/Snapshot.h"

namespace Passenger {

void addStatistics(GroupSnapshot &snapshot, const GroupStatistics &statistics) {
    snapshot.counters.requests = statistics.completed;
    snapshot.counters.refused = statistics.refused;
    snapshot.counters.overShare = statistics.overShare;
    snapshot.counters.lost = statistics.lost;
    snapshot.counters.overran = statistics.overran;
    // Others were refused before they were in the queue.
    snapshot.counters.notStarted += statistics.notStarted;
    snapshot.counters.timedOut = statistics.timedOut;
    snapshot.counters.clientsLeft = statistics.left;
    snapshot.queueTimes = statistics.queueTime;
    snapshot.serviceTimes = statistics.serviceTime;
    snapshot.queueTime = histogramOf(statistics.queueTime, statistics.queueMicroseconds);
    snapshot.serviceTime = histogramOf(statistics.serviceTime, statistics.serviceMicroseconds);
}

void addOptions(GroupSnapshot &snapshot, const Options &options) {
    snapshot.root = options.appRoot;
    snapshot.environment = options.environment;
    snapshot.minInstances = options.minInstances;
    snapshot.queue.limit = options.maxQueueSize;
    snapshot.type = options.startCommand.empty() ? options.appType : "";
    snapshot.startupFile = options.startCommand.empty() ? options.startupFile : "";
    const std::string &type = snapshot.type;
    snapshot.interpreter = type.empty()     ? ""
                           : type == "rack" ? options.ruby
                           : type == "node" ? options.nodejs
                                            : options.python;
}

const char *nameOf(GroupState state) noexcept {
    switch (state) {
        case GroupState::DOWN: return "down";
        case GroupState::STARTING: return "starting";
        case GroupState::SERVING: return "serving";
        case GroupState::PAUSED: return "paused";
        case GroupState::DEPLOYING: return "deploying";
        case GroupState::DEPLOY_WAITS: return "deploy-waits";
        case GroupState::DEPLOY_FAILED: return "deploy-failed";
        case GroupState::FAILED: return "failed";
        case GroupState::SHUT_DOWN: return "shut-down";
    }
    return "unknown";
}

const char *nameOf(Process::State state) noexcept {
    switch (state) {
        case Process::State::STANDBY: return "standby";
        case Process::State::SERVING: return "serving";
        case Process::State::DRAINING: return "draining";
        case Process::State::DEAD: return "dead";
    }
    return "unknown";
}

}  // namespace Passenger
