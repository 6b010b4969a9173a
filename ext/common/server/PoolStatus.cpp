#include "server/PoolStatus.h"

namespace Passenger {

namespace {

InstanceStatus statusOf(const ProcessSnapshot &process) {
    InstanceStatus status;
    status.pid = process.pid;
    status.state = nameOf(process.state);
    status.version = process.version;
    status.age = inSeconds(process.age);
    status.adopted = process.adopted;
    status.concurrency = process.concurrency;
    status.sessions = process.sessions;
    status.busyFor = inSeconds(process.busyFor);
    status.processed = process.answered;
    status.memory = process.memory;
    status.replacementReason = process.replacementReason;
    return status;
}

}  // namespace

AppStatus statusOf(const GroupSnapshot &group) {
    AppStatus status;
    status.name = group.name;
    status.root = group.appRoot;
    status.environment = group.environment;
    status.type = group.appType;
    status.startupFile = group.startupFile;
    status.interpreter = group.interpreter;
    status.state = nameOf(group.state);
    status.crashLooping = group.crashLooping;
    status.failing = group.failing;
    status.version = group.version;
    for (const ProcessSnapshot &process : group.processes) {
        status.instances.push_back(statusOf(process));
    }
    status.starting = group.starting;
    status.minInstances = group.minInstances;
    status.maxInstances = group.maxInstances;
    status.memoryShare = group.memoryShare;
    status.queue = {group.queue.waiting, inSeconds(group.queue.oldest), group.queue.limit,
                    inSeconds(group.queue.pausedFor)};
    status.counters = {group.counters};
    status.queueTime = histogramOf(group.queueTime, group.queueMicroseconds);
    status.serviceTime = histogramOf(group.serviceTime, group.serviceMicroseconds);
    status.lastSpawnTime = inSeconds(group.lastSpawnTime);
    if (const auto &restart = group.lastRestart) {
        status.lastRestart = RestartStatus{restart->reason, inSeconds(restart->age)};
    }
    if (const auto &failure = group.lastFailure) {
        status.failure = FailureStatus{failure->reportId, failure->summary, failure->remedy, inSeconds(failure->age)};
    }
    return status;
}

}  // namespace Passenger
