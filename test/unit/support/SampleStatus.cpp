#include "support/SampleStatus.h"

#include <utility>

#include "base/LogHistogram.h"

namespace Passenger {

namespace {

/** 2026-11-23 16:50:12 UTC. */
constexpr double NOW = 1'795'452'612;

InstanceStatus instanceOf(std::int64_t pid) {
    InstanceStatus instance;
    instance.pid = pid;
    instance.state = "serving";
    instance.version = 3;
    instance.age = 7200;
    instance.concurrency = 4;
    instance.sessions = 1;
    instance.busyFor = 2.5;
    instance.processed = 617;
    instance.lastUsed = NOW - 4;
    instance.memory = std::uint64_t{100} << 20;
    instance.cpuTime = 36;
    instance.processAge = 7200;
    return instance;
}

}  // namespace

AppStatus sampleApp(const std::string &root) {
    AppStatus app;
    app.name = root + " (production)";
    app.root = root;
    app.environment = "production";
    app.type = "rack";
    app.user = "alice";
    app.uid = 1000;
    app.state = "serving";
    app.since = NOW - 86'400;
    app.version = 3;
    app.instances = {instanceOf(4711), instanceOf(4712)};
    app.minInstances = 1;
    app.maxInstances = 6;
    app.queue.limit = 100;
    app.counters.requests = 1234;
    app.counters.refused = 5;
    app.counters.spawned = 7;
    app.queueTime.counts.assign(LogHistogram::BUCKETS, 0);
    app.queueTime.counts[0] = 2;
    app.queueTime.counts[10] = 3;
    app.queueTime.counts.back() = 1;
    app.queueTime.sum = 1200.5;
    app.serviceTime = app.queueTime;
    const TimeQuantiles queue{0.000'064, 0.002, 0.3};
    const TimeQuantiles service{0.016, 0.25, 2};
    app.windows = {{60, 120, queue, service}, {900, 1800, queue, service}, {86'400, 9000, queue, service}};
    for (int hour = 1; hour <= 24; hour++) {
        app.points.push_back({NOW - 86'400 + hour * 3600, 3600, hour % 6 == 0 ? 0U : 100U, queue, service});
    }
    app.lastSpawnTime = 1.5;
    app.lastUsed = NOW - 4;
    app.lastRestart = RestartStatus{"restart.txt has changed", 300};
    app.events = {{NOW - 60, "instance.started", "pid=4712 ms=1500"}};
    return app;
}

ServerStatus sampleStatus(std::vector<AppStatus> apps) {
    ServerStatus status;
    status.version = "0.1.0";
    status.watchdogPid = 100;
    status.poolPid = 101;
    status.httpdPid = 99;
    status.now = NOW;
    status.since = NOW - 90'000;
    status.maxPoolSize = 6;
    status.poolSize = 2;
    status.descriptors = 60;
    status.descriptorLimit = 1024;
    status.apps = std::move(apps);
    return status;
}

}  // namespace Passenger
