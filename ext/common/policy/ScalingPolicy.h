#pragma once

#include <chrono>

namespace Passenger {

/** The input for the decision about a group's number of instances, with PassengerMinInstances,
 *  PassengerMaxInstances and PassengerStartInstances. */
struct ScalingSnapshot {
    /** Instances that serve, and instances that are being started. */
    unsigned serving = 0;
    unsigned starting = 0;
    /** Requests that one instance can serve at once. */
    unsigned threads = 1;
    /** Requests that no instance has taken yet, and the waiting time of the first of them. */
    unsigned waiting = 0;
    std::chrono::nanoseconds headAge{0};
    /** The typical duration of an answer; zero: unknown. */
    std::chrono::nanoseconds serviceTime{0};
    /** Unused cores, and all cores. */
    double idleCores = 1;
    unsigned cores = 1;

    unsigned minInstances = 0;
    /** The number of instances to start if none serves; 0: by the number of requests. */
    unsigned startInstances = 0;
    /** The number of instances before a restart or a death, to be reached again. */
    unsigned restoreTo = 0;
    /** 0: the group has no limit of its own. */
    unsigned maxInstances = 0;
    /** Instances that count for the limit but neither serve nor start: they finish their last
     *  request. */
    unsigned others = 0;
    /** One start at a time: the first instance tells how many requests it takes. */
    bool oneByOne = false;
    /** Whether the group has ever had a request. minInstances holds only then. */
    bool used = true;
};

/**
 * The number of instances to start now, without regard to the pool's limit. An instance is added if
 * the first request has waited longer than a typical answer takes. A core must be free, or the
 * queue must hardly move. For a burst, several are added at once. Pure.
 */
unsigned instancesToStart(const ScalingSnapshot &snapshot);

/**
 * The waiting time of the first request from which one more instance is wanted. The caller asks
 * again then.
 */
std::chrono::nanoseconds patience(const ScalingSnapshot &snapshot);

}  // namespace Passenger
