#pragma once

namespace Passenger {

/** What the decision about the number of instances of a group rests on. */
struct ScalingSnapshot {
    /** Instances that serve, and how many are being started. */
    unsigned instances = 0;
    unsigned starting = 0;
    /** Requests that one instance can run at once. */
    unsigned threads = 1;
    /** Requests that are served or wait. */
    unsigned inFlight = 0;
    unsigned minInstances = 1;
    /** 0: no limit of its own. */
    unsigned maxInstances = 0;
    /** Whether anything was ever asked of the group: instances are kept ready only for an application that is used. */
    bool used = true;
};

/** How many instances to start now, the pool's own limit apart. Pure. */
unsigned instancesToStart(const ScalingSnapshot &snapshot);

}  // namespace Passenger
