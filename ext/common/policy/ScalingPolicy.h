#pragma once

#include <chrono>

namespace Passenger {

/** What the decision about the number of instances of a group rests on. */
struct ScalingSnapshot {
    /** Instances that serve, and how many are being started. */
    unsigned serving = 0;
    unsigned starting = 0;
    /** Requests that one instance can run at once. */
    unsigned threads = 1;
    /** Requests that no instance has taken yet, and for how long the first of them has waited. */
    unsigned waiting = 0;
    std::chrono::nanoseconds headAge{0};
    /** How long an answer takes typically; zero: not known yet. */
    std::chrono::nanoseconds serviceTime{0};
    /** Cores that nobody uses, and all there are. */
    double idleCores = 1;
    unsigned cores = 1;

    unsigned minInstances = 0;
    /** How many at once when there are none; 0: as many as there are requests for. */
    unsigned startInstances = 0;
    /** As many as there were are wanted again, after a restart or a death. */
    unsigned restoreTo = 0;
    /** 0: no limit of its own. */
    unsigned maxInstances = 0;
    /** Instances that count for that limit, but neither serve nor start: they finish their last request, or are disabled. */
    unsigned others = 0;
    /** Whether anything was ever asked of the group: instances are kept ready only for an application that is used. */
    bool used = true;
};

/**
 * How many instances to start now, the pool's limit apart: more, when the head of the line has waited longer than an answer takes
 * typically, and one more would help, because a core is free or because the line hardly moves. Several at once for a burst. Pure.
 */
unsigned instancesToStart(const ScalingSnapshot &snapshot);

/** When to ask again while requests wait: the head's age at which one more instance would be wanted. */
std::chrono::nanoseconds patience(const ScalingSnapshot &snapshot);

}  // namespace Passenger
