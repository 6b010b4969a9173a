#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/AppCounters.h"

// What the agent tells about its applications: plain values of one moment. Times are in seconds,
// memory in bytes. Counters count since the application was first asked for; a new pool process
// begins at 0, and `since` tells when.

namespace Passenger {

/** Of the system's clock, as all moments here are told. */
inline double secondsSinceEpoch(std::chrono::system_clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

/** Quantiles of times that were measured within a window. As JSON an array of the three. */
struct TimeQuantiles {
    double p50 = 0;
    double p90 = 0;
    double p99 = 0;
};

/** Requests that were answered in the last so many seconds. */
struct WindowStatus {
    std::uint64_t seconds = 0;
    std::uint64_t requests = 0;
    TimeQuantiles queue;
    TimeQuantiles service;
};

/** A window of the past, for plots. As JSON an array: the members in their order, those of the
 *  quantiles included. */
struct PointStatus {
    /** Its end, seconds since 1970. */
    double at = 0;
    double seconds = 0;
    std::uint64_t requests = 0;
    TimeQuantiles queue;
    TimeQuantiles service;
};

/** Of times: `counts[n]` lie below bound n of histogramBounds(), not below the bound before. The
 *  last bucket has no bound. Empty buckets at the end may be missing. */
struct HistogramStatus {
    std::vector<std::uint64_t> counts;
    /** Of all times. */
    double sum = 0;
};

/** The upper bounds of HistogramStatus::counts but the last, in seconds. */
std::vector<double> histogramBounds();

/** What a command measures of an instance, which the agent does not. Memory is in bytes. */
struct MeasuredStatus {
    std::uint64_t resident = 0;
    /** Written pages that no other process has. */
    std::uint64_t privateDirty = 0;
    std::uint64_t swap = 0;
    std::uint64_t virtualSize = 0;
    std::int64_t processGroup = 0;
    std::string commandLine;
};

struct InstanceStatus {
    std::int64_t pid = 0;
    /** The process that does the work, where the instance is a bridge to it; 0: it is none, or the
     *  process is not known yet. */
    std::int64_t applicationPid = 0;
    /** standby, serving, draining, dead */
    std::string state;
    std::uint64_t version = 0;
    /** Since its start, or since this pool process took it over. */
    double age = 0;
    /** Whether an earlier pool process started it. */
    bool adopted = false;
    /** Requests that it can run at once. */
    unsigned concurrency = 0;
    /** Requests in work, and since when the oldest is. */
    unsigned sessions = 0;
    double busyFor = 0;
    /** Requests that it has answered since its start, or since this pool process took it over; and
     *  seconds since 1970 at which the last of them ended, 0: none has. As it says itself. */
    std::uint64_t processed = 0;
    double lastUsed = 0;
    /** PSS; 0: unknown. */
    std::uint64_t memory = 0;
    /** What no other process has, of each of its processes; 0: unknown. */
    std::uint64_t privateMemory = 0;
    /** Nothing: it is not measured, or this user may not measure it. Not in the JSON. */
    std::optional<MeasuredStatus> measured;
    /** Of one core, since its start. */
    double cpuTime = 0;
    /** Why it is being replaced; empty: it is not. */
    std::string replacementReason;
};

struct QueueStatus {
    unsigned waiting = 0;
    /** How long the oldest request has waited. */
    double oldest = 0;
    /** 0: none. */
    unsigned limit = 0;
    /** How long it remains paused; 0: it is not. */
    double pausedFor = 0;
};

/** A request in flight. Texts are those of its client. */
struct RequestStatus {
    /** The instance that works at it; 0: it waits. */
    std::int64_t pid = 0;
    /** Since it was sent to the queue. */
    double age = 0;
    std::string client;
    std::string method;
    /** Empty: it has none. */
    std::string id;
    /** Perhaps cut. */
    std::string uri;
};

struct CountersStatus : AppCounters {
    /** Of its control group: processes that the kernel has killed at PassengerMemoryMax, how often
     *  it was at that limit, and what PassengerTasksMax has refused. */
    std::uint64_t memoryKills = 0;
    std::uint64_t memoryReached = 0;
    std::uint64_t tasksRefused = 0;
};

/** The last restart. */
struct RestartStatus {
    /** What has caused it. */
    std::string reason;
    /** How long ago. */
    double age = 0;
};

/** The last start that failed. */
struct FailureStatus {
    /** `report` prints it; empty: there is none. */
    std::string report;
    std::string summary;
    /** Usual cause and remedy; may be empty. */
    std::string remedy;
    /** How long ago. */
    double age = 0;
};

/** An event in the log about the application. */
struct EventStatus {
    /** Seconds since 1970. */
    double at = 0;
    /** As in the log: "instance.started". */
    std::string name;
    /** The rest of the log's line. */
    std::string text;
};

struct AppStatus {
    /** By which orders name it. */
    std::string name;
    std::string root;
    std::string environment;
    /** rack, node, wsgi, asgi, or empty: a start command */
    std::string type;
    /** Below the root, and the program that runs it; empty: a start command. */
    std::string startupFile;
    std::string interpreter;
    /** Empty: not yet known. */
    std::string user;
    std::int64_t uid = -1;
    /** down, starting, serving, paused, deploying, deploy-failed, failed, shut-down */
    std::string state;
    /** Whether starts fail one after the other. */
    bool crashLooping = false;
    /** Whether health checks shall send requests elsewhere. */
    bool draining = false;
    /** Seconds since 1970 at which this pool process was first asked for it, or was asked again
     *  after it had forgotten it. */
    double since = 0;
    /** Counts restarts. */
    std::uint64_t version = 0;
    std::vector<InstanceStatus> instances;
    unsigned starting = 0;
    unsigned minInstances = 0;
    /** 0: none but the pool's. */
    unsigned maxInstances = 0;
    /** Its share of the memory budget (PassengerMemoryBudget); 0: none. */
    std::uint64_t memoryShare = 0;
    QueueStatus queue;
    CountersStatus counters;
    /** Since `since`. */
    HistogramStatus queueTime;
    HistogramStatus serviceTime;
    /** The last minute, quarter of an hour and day, in this order. */
    std::vector<WindowStatus> windows;
    /** Of the last day, the oldest first: quarters of an hour, or hours in a status of all
     *  applications. Points without a request may be missing. */
    std::vector<PointStatus> points;
    /** How long the last start of an instance took; 0: none was seen. */
    double lastSpawnTime = 0;
    /** Seconds since 1970 at which a request was last seen in work or answered, to within some
     *  seconds; 0: never. */
    double lastUsed = 0;
    std::optional<RestartStatus> lastRestart;
    std::optional<FailureStatus> failure;
    /** In work and waiting, the oldest first; at most 500. In a status of all applications only if
     *  it was asked for. */
    std::vector<RequestStatus> requests;
    /** The last ones, the newest last; at most 50. Empty in a status of all applications. */
    std::vector<EventStatus> events;
};

/** httpd's worker threads; with prefork, its processes. */
struct WorkersStatus {
    /** With a request, or with a connection that is kept for one (prefork, worker). */
    unsigned busy = 0;
    unsigned idle = 0;
    /** MaxRequestWorkers. */
    unsigned limit = 0;
};

/** The files that httpd has in PassengerDataBufferDir for requests and answers. In bytes. */
struct SpoolStatus {
    std::uint64_t bytes = 0;
    /** 0: none. */
    std::uint64_t limit = 0;
    /** Free on the disk, and the part of it that stays free. Both are 0: unknown. */
    std::uint64_t available = 0;
    std::uint64_t reserve = 0;
    /** Since httpd's start, not bytes: files that might not grow since those of all applications
     *  had too much, since the application's had, since the disk had too little room; connections
     *  that applications might not take over; slow clients whose connections were cut; bodies that
     *  went in pieces, since the application had not taken as many files as may be in flight. */
    std::uint64_t refused = 0;
    std::uint64_t appRefused = 0;
    std::uint64_t diskRefused = 0;
    std::uint64_t hijacksRefused = 0;
    std::uint64_t clientsCut = 0;
    std::uint64_t bodiesInPieces = 0;
};

struct ServerStatus {
    /** Of the form. */
    unsigned form = 1;
    /** Of mod_passenger. */
    std::string version;
    std::int64_t watchdogPid = 0;
    std::int64_t poolPid = 0;
    std::int64_t httpdPid = 0;
    /** Seconds since 1970: this moment, and the pool process's start. */
    double now = 0;
    double since = 0;
    unsigned maxPoolSize = 0;
    /** Instances that count for it, also those that start. */
    unsigned poolSize = 0;
    /** Applications that wait for room. */
    unsigned waitingForRoom = 0;
    /** What all instances may use together (PassengerMemoryBudget), and do; 0: the server has no
     *  budget. */
    std::uint64_t memoryBudget = 0;
    std::uint64_t memoryUsed = 0;
    /** Applications that were forgotten since nobody used them (PassengerMaxAppIdleTime), and those
     *  that were refused since as many as there can be are in use. */
    std::uint64_t appsForgotten = 0;
    std::uint64_t appsRefused = 0;
    /** Open descriptors of the pool process, and their limit. */
    std::uint64_t descriptors = 0;
    std::uint64_t descriptorLimit = 0;
    /** What children asked for and httpd's configuration does not allow. */
    std::uint64_t attachesRefused = 0;
    /** As LimitCounts. */
    std::uint64_t connectionsDropped = 0;
    std::uint64_t childConnections = 0;
    std::uint64_t childChannels = 0;
    std::uint64_t childApps = 0;
    std::uint64_t allChildren = 0;
    std::uint64_t descriptorsRefused = 0;
    std::uint64_t logLinesDropped = 0;
    std::uint64_t bootsLimited = 0;
    /** Pool processes that the watchdog has killed (PassengerAgentTimeout). */
    std::uint64_t agentKills = 0;
    /** Whether health checks shall send all requests elsewhere. */
    bool draining = false;
    /** Whether the URLs of PassengerPreStart are being requested for the first time since the start
     *  of the agent. In the status of one application: and it does not serve yet. */
    bool warmingUp = false;
    /** Known to httpd alone: the status pages have them, and the agent's own status does not. */
    std::optional<WorkersStatus> workers;
    std::optional<SpoolStatus> spool;
    std::vector<AppStatus> apps;
};

/** As a JSON object; invalid UTF-8 becomes U+FFFD. Keys are the members' names in snake_case. */
std::string toJson(const ServerStatus &status);
/** Unknown keys are ignored, missing ones leave the member as it is. @throws ProtocolException */
ServerStatus statusFromJson(std::string text);

}  // namespace Passenger
