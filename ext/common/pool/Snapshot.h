#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/AppCounters.h"
#include "base/LogHistogram.h"
#include "exchange/Options.h"
#include "pool/Process.h"
#include "shm/Layouts.h"

// What Pool::inspect() tells: plain values, of one moment.

namespace Passenger {

struct ProcessSnapshot {
    InstanceId id;
    /** 0: it is a dummy. */
    pid_t pid = 0;
    Process::State state = Process::State::SERVING;
    std::uint64_t version = 0;
    /** The age of the instance since its start. */
    std::chrono::nanoseconds age{0};
    /** An earlier pool process started it. */
    bool adopted = false;
    /** For how long the oldest of its requests has been in flight; zero: it has none. */
    std::chrono::nanoseconds busyFor{0};
    /** Requests that it has answered for this pool process, as it says itself. */
    std::uint64_t answered = 0;
    /** How long ago the last of them ended; nothing: none has. */
    std::optional<std::chrono::nanoseconds> lastUsed;
    /** The application runs in descendants of the process. */
    bool hasDescendants = false;
    /** Bytes (PSS) when last measured; 0: never. */
    std::uint64_t memory = 0;
    /** Why it is being replaced; empty: it is not. */
    std::string replacementReason;
    /** Its cells in the claims. */
    CellRange cells;
    /** Requests it can run at once, and those it runs. */
    unsigned concurrency = 0;
    unsigned sessions = 0;
};

/** A request in flight. Texts are those of its client, or empty. */
struct RequestSnapshot {
    /** The instance that has taken it; 0: it waits. */
    pid_t pid = 0;
    /** The time since the request was sent to the queue. */
    std::chrono::nanoseconds age{0};
    std::string client;
    std::string method;
    std::string id;
    /** Perhaps cut. */
    std::string uri;
};

/** The threads of an instance. */
struct ThreadsSnapshot {
    pid_t pid = 0;
    /** Whether it has answered the last question. */
    bool answered = false;
    /** Backtraces, for people. */
    std::string text;
};

struct QueueSnapshot {
    unsigned waiting = 0;
    /** How long the oldest request has waited. */
    std::chrono::nanoseconds oldest{0};
    /** Options::maxQueueSize. */
    unsigned limit = 0;
    /** How long it remains paused; zero: it is not. */
    std::chrono::nanoseconds pausedFor{0};
};

/** The last start that failed, of whatever version. */
struct FailureSnapshot {
    /** The id under which the log has everything about the failure. */
    std::string reportId;
    std::string summary;
    /** May be empty. */
    std::string remedy;
    /** How long ago it was. */
    std::chrono::nanoseconds age{0};
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

struct RestartSnapshot {
    /** What has caused it. */
    std::string reason;
    std::chrono::nanoseconds age{0};
};

struct GroupSnapshot {
    /** The name that restart() takes. */
    std::string name;
    std::string appRoot;
    std::string environment;
    std::string appType;
    /** Empty: a start command. */
    std::string startupFile;
    std::string interpreter;
    GroupState state = GroupState::DOWN;
    /** When the Group was made. Another one of the same name was made later, and counts from 0. */
    MonotonicTime madeAt;
    std::chrono::nanoseconds age{0};
    /** Whether starts fail, or instances die, one after the other. */
    bool crashLooping = false;
    /** Whether no instance serves, and the last one did not start, or did not live. */
    bool failing = false;
    /** Counts restarts. */
    std::uint64_t version = 0;
    std::vector<ProcessSnapshot> processes;
    /** Instances that are being started. */
    unsigned starting = 0;
    unsigned minInstances = 0;
    /** 0: none but the pool's. */
    unsigned maxInstances = 0;
    /** Its share of the memory budget in bytes; 0: none. */
    std::uint64_t memoryShare = 0;
    QueueSnapshot queue;
    AppCounters counters;
    LogHistogram serviceTime;
    LogHistogram queueTime;
    /** The sums of the times in the two histograms. */
    std::uint64_t serviceMicroseconds = 0;
    std::uint64_t queueMicroseconds = 0;
    /** The time that the start of the last instance took; zero: none was started. */
    std::chrono::nanoseconds lastSpawnTime{0};
    std::optional<RestartSnapshot> lastRestart;
    /** The last failed start, also of an application that serves now. */
    std::optional<FailureSnapshot> lastFailure;
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
