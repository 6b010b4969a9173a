#pragma once

#include "control/ServerStatus.h"

namespace Passenger {

/** A server with an application of two instances, one of which works, and one that is failed. */
inline ServerStatus smallStatus() {
    ServerStatus status;
    status.version = "0.1.0";
    status.now = 1'000'000;
    status.since = 900'000;
    status.maxPoolSize = 6;
    status.poolSize = 3;
    status.waitingForRoom = 1;
    status.apps.resize(2);

    AppStatus &blog = status.apps[0];
    blog.name = "/srv/blog (production)";
    blog.root = "/srv/blog";
    blog.environment = "production";
    blog.type = "rack";
    blog.user = "alice";
    blog.uid = 1000;
    blog.state = "serving";
    blog.version = 3;
    blog.starting = 1;
    blog.minInstances = 1;
    blog.counters.requests = 11;
    blog.queue.waiting = 4;
    blog.queue.oldest = 0.35;
    blog.queue.limit = 100;
    blog.windows = {{60, 120, {0.001, 0.002, 0.003}, {0.010, 0.020, 1.5}}};
    blog.instances.resize(2);
    blog.instances[0].pid = 4711;
    blog.instances[0].state = "serving";
    blog.instances[0].version = 3;
    blog.instances[0].age = 21'209;
    blog.instances[0].concurrency = 1;
    blog.instances[0].sessions = 1;
    blog.instances[0].busyFor = 2.1;
    blog.instances[0].processed = 8;
    blog.instances[0].lastUsed = status.now - 5;
    blog.instances[0].memory = 99 << 20;
    blog.instances[0].cpuTime = 2120.9;
    blog.instances[0].processAge = 21'209;
    blog.instances[1].pid = 4712;
    blog.instances[1].state = "draining";
    blog.instances[1].age = 61;
    blog.instances[1].processed = 3;
    blog.instances[1].lastUsed = status.now - 33;
    blog.instances[1].concurrency = 1;
    blog.instances[1].replacementReason = "memory limit";

    AppStatus &shop = status.apps[1];
    shop.name = "/srv/shop <&> (production)";
    shop.root = "/srv/shop <&>";
    shop.state = "failed";
    shop.crashLooping = true;
    shop.failure = FailureStatus{"7f3a", "command \"node\" not found", "install nodejs", 90};
    return status;
}

}  // namespace Passenger
