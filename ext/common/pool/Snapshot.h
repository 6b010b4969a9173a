#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/Clock.h"
#include "base/LogHistogram.h"
#include "control/AppStatus.h"
#include "control/InstanceStatus.h"
#include "exchange/Options.h"
#include "pool/Process.h"
#include "shm/Layouts.h"

// What Pool::inspect() tells: plain values, of one moment.

namespace Passenger {

/** An instance. Open in its status: lastUsed. */
struct ProcessSnapshot : InstanceStatus {
    InstanceId id;
    /** How long ago the last of its requests ended; nothing: none has. */
    std::optional<std::chrono::nanoseconds> unusedFor;
    /** Its cells in the claims. */
    CellRange cells;
};

struct ThreadsSnapshot {
    pid_t pid = 0;
    /** Whether it has answered the last question. */
    bool answered = false;
    /** Backtraces, for people. */
    std::string text;
};

enum class GroupState {
    /** Nothing runs, and the next request starts it. */
    DOWN,
    /** The first instance is being started. */
    STARTING,
    SERVING,
    /** Instances take no request until the queue's pause ends. */
    PAUSED,
    /** The old version serves while the new one is being started. */
    DEPLOYING,
    /** The old version serves until other applications have loaded or been replaced. */
    DEPLOY_WAITS,
    /** The new version did not start; the old one serves until the restart file changes again. */
    DEPLOY_FAILED,
    /** It did not start; its requests are answered with the report until it is tried again. */
    FAILED,
    SHUT_DOWN
};

/** An application. Open in its status: instances, user, uid, draining, since, lastUsed, windows,
 *  points, requests, events, and what the control group counts. */
struct GroupSnapshot : AppStatus {
    /** When the Group was made. Another one of the same name was made later, and counts from 0. */
    MonotonicTime madeAt;
    std::vector<ProcessSnapshot> processes;
    /** Those of queueTime and serviceTime. */
    LogHistogram queueTimes;
    LogHistogram serviceTimes;
};

struct PoolSnapshot {
    unsigned maxSize = 0;
    /** Instances that count for it. */
    unsigned size = 0;
    /** Applications that wait for room. */
    unsigned waitingForRoom = 0;
    /** Bytes that all instances may use together, and do; 0: there is no budget. */
    std::uint64_t memoryBudget = 0;
    std::uint64_t memoryUsed = 0;
    /** Applications that were forgotten since nobody used them, and those that got no slot, since
     *  all were in use. */
    std::uint64_t forgotten = 0;
    std::uint64_t withoutSlot = 0;
    std::vector<GroupSnapshot> groups;
};

/** What is configured: folder, program, limits. */
void addOptions(GroupSnapshot &snapshot, const Options &options);
/** What the children have counted. */
void addStatistics(GroupSnapshot &snapshot, const GroupStatistics &statistics);
const char *nameOf(GroupState state) noexcept;
const char *nameOf(Process::State state) noexcept;

}  // namespace Passenger
