#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/AppCounters.h"
#include "base/LogHistogram.h"
#include "control/InstanceStatus.h"

namespace Passenger {

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

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("seconds", status.seconds);
        visit("requests", status.requests);
        visit("queue", status.queue);
        visit("service", status.service);
    }
};

/** A window of the past, for plots. As JSON an array: the members in their order, those of the
 *  quantiles included. */
struct PointStatus {
    /** The end of the window, in seconds since 1970. */
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
    /** The sum of all times. */
    double sum = 0;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("counts", status.counts);
        visit("sum", status.sum);
    }
};

/** The upper bounds of HistogramStatus::counts but the last, in seconds. */
std::vector<double> histogramBounds();
/** @param microseconds the sum of all times */
HistogramStatus histogramOf(const LogHistogram &times, std::uint64_t microseconds);

struct QueueStatus {
    unsigned waiting = 0;
    /** How long the oldest request has waited. */
    double oldest = 0;
    /** 0: none. */
    unsigned limit = 0;
    /** How long it remains paused; 0: it is not. */
    double pausedFor = 0;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("waiting", status.waiting);
        visit("oldest", status.oldest);
        visit("limit", status.limit);
        visit("paused_for", status.pausedFor);
    }
};

/** A request in flight. Texts are those of its client. */
struct RequestStatus {
    /** The instance that works at it; 0: it waits. */
    std::int64_t pid = 0;
    /** The time since the request was sent to the queue. */
    double age = 0;
    std::string client;
    std::string method;
    /** The request's id; empty: it has none. */
    std::string id;
    /** Perhaps cut. */
    std::string uri;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("pid", status.pid);
        visit("age", status.age);
        visit("client", status.client);
        visit("method", status.method);
        visit("id", status.id);
        visit("uri", status.uri);
    }
};

/** Counts of events of the application and of its control group. */
struct CountersStatus : AppCounters {
    /** Processes that the kernel has killed at PassengerMemoryMax. */
    std::uint64_t memoryKills = 0;
    /** How often the control group was at that limit. */
    std::uint64_t memoryReached = 0;
    /** Processes and threads that PassengerTasksMax has refused. */
    std::uint64_t tasksRefused = 0;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("requests", status.requests);
        visit("refused", status.refused);
        visit("over_share", status.overShare);
        visit("timed_out", status.timedOut);
        visit("clients_left", status.clientsLeft);
        visit("lost", status.lost);
        visit("overran", status.overran);
        visit("not_started", status.notStarted);
        visit("spawned", status.spawned);
        visit("spawns_failed", status.spawnsFailed);
        visit("adopted", status.adopted);
        visit("restarts", status.restarts);
        visit("deploys_failed", status.deploysFailed);
        visit("died", status.died);
        visit("replaced", status.replaced);
        visit("reforked", status.reforked);
        visit("reforks_failed", status.reforksFailed);
        visit("evicted", status.evicted);
        visit("idled", status.idled);
        visit("memory_kills", status.memoryKills);
        visit("memory_reached", status.memoryReached);
        visit("tasks_refused", status.tasksRefused);
    }
};

struct RestartStatus {
    /** The cause of the restart. */
    std::string reason;
    /** How long ago. */
    double age = 0;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("reason", status.reason);
        visit("age", status.age);
    }
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

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("report", status.report);
        visit("summary", status.summary);
        visit("remedy", status.remedy);
        visit("age", status.age);
    }
};

/** An event in the log about the application. */
struct EventStatus {
    /** Seconds since 1970. */
    double at = 0;
    /** As in the log: "instance.started". */
    std::string name;
    /** The rest of the log's line. */
    std::string text;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("at", status.at);
        visit("name", status.name);
        visit("text", status.text);
    }
};

/** An application. Units and moments are those of ServerStatus. */
struct AppStatus {
    /** The name of the application in orders. */
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
    /** down, starting, serving, paused, deploying, deploy-waits, deploy-failed, failed,
     *  shut-down */
    std::string state;
    /** Whether starts fail one after the other. */
    bool crashLooping = false;
    /** Whether no instance serves, and the last one did not start, or did not live. Also while it
     *  is tried again. */
    bool failing = false;
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
    /** The times since `since`. */
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

    /** Whether a new version is to take over. */
    bool deploys() const { return state == "deploying" || state == "deploy-waits"; }

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("name", status.name);
        visit("root", status.root);
        visit("environment", status.environment);
        visit("type", status.type);
        visit("startup_file", status.startupFile);
        visit("interpreter", status.interpreter);
        visit("user", status.user);
        visit("uid", status.uid);
        visit("state", status.state);
        visit("crash_looping", status.crashLooping);
        visit("failing", status.failing);
        visit("draining", status.draining);
        visit("since", status.since);
        visit("version", status.version);
        visit("instances", status.instances);
        visit("starting", status.starting);
        visit("min_instances", status.minInstances);
        visit("max_instances", status.maxInstances);
        visit("memory_share", status.memoryShare);
        visit("queue", status.queue);
        visit("counters", status.counters);
        visit("queue_time", status.queueTime);
        visit("service_time", status.serviceTime);
        visit("windows", status.windows);
        visit("points", status.points);
        visit("last_spawn_time", status.lastSpawnTime);
        visit("last_used", status.lastUsed);
        visit("last_restart", status.lastRestart);
        visit("failure", status.failure);
        visit("requests", status.requests);
        visit("events", status.events);
    }
};

}  // namespace Passenger
