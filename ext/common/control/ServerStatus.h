#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/Clock.h"
#include "control/AppStatus.h"

// The agent's status of its applications: plain values of one moment. Times are in seconds, memory
// in bytes. Counters count since the first request for the application. In a new pool process they
// begin at 0, and `since` is the time of that.
//
// describe() of each type names its members once, by their JSON keys and in the order of the JSON.
// toJson() and statusFromJson() use describe().

namespace Passenger {

/** A moment of the system's clock, in the form of all moments here. */
inline double secondsSinceEpoch(std::chrono::system_clock::time_point time) {
    return inSeconds(time.time_since_epoch());
}

/** httpd's worker threads; with prefork, its processes. */
struct WorkersStatus {
    /** With a request, or with a connection that is kept for one (prefork, worker). */
    unsigned busy = 0;
    unsigned idle = 0;
    /** MaxRequestWorkers. */
    unsigned limit = 0;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("busy", status.busy);
        visit("idle", status.idle);
        visit("limit", status.limit);
    }
};

/** The files that httpd has in PassengerDataBufferDir for requests and answers. In bytes. */
struct SpoolStatus {
    std::uint64_t bytes = 0;
    /** 0: none. */
    std::uint64_t limit = 0;
    /** Free on the disk. This and `reserve` are 0: unknown. */
    std::uint64_t available = 0;
    /** The part of the disk that stays free. */
    std::uint64_t reserve = 0;
    // The other members are no bytes. They count since httpd's start.
    /** Files that were not to grow: the files of all applications had reached their limit. */
    std::uint64_t refused = 0;
    /** Files that were not to grow: those of their application had reached their limit. */
    std::uint64_t appRefused = 0;
    /** Files that were not to grow: the disk had too little room. */
    std::uint64_t diskRefused = 0;
    /** Connections that applications were not allowed to take over. */
    std::uint64_t hijacksRefused = 0;
    /** Slow clients whose connections were cut. */
    std::uint64_t clientsCut = 0;
    /** Request bodies that were sent in pieces: the application had as many files in flight as it
     *  may. */
    std::uint64_t bodiesInPieces = 0;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("bytes", status.bytes);
        visit("limit", status.limit);
        visit("available", status.available);
        visit("reserve", status.reserve);
        visit("refused", status.refused);
        visit("app_refused", status.appRefused);
        visit("disk_refused", status.diskRefused);
        visit("hijacks_refused", status.hijacksRefused);
        visit("clients_cut", status.clientsCut);
        visit("bodies_in_pieces", status.bodiesInPieces);
    }
};

struct ServerStatus {
    /** The version of the form. */
    unsigned form = 1;
    /** The version of mod_passenger. */
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
    /** The memory that all instances may use together (PassengerMemoryBudget), and the memory that
     *  they use; 0: the server has no budget. */
    std::uint64_t memoryBudget = 0;
    std::uint64_t memoryUsed = 0;
    /** Applications that were forgotten since no request used them (PassengerMaxAppIdleTime), and
     *  applications that were refused since the largest possible number is in use. */
    std::uint64_t appsForgotten = 0;
    std::uint64_t appsRefused = 0;
    /** Open descriptors of the pool process, and their limit. */
    std::uint64_t descriptors = 0;
    std::uint64_t descriptorLimit = 0;
    /** ATTACH messages of children that httpd's configuration does not allow. */
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
     *  of the agent. In the status of one application: and the application does not serve yet. */
    bool warmingUp = false;
    /** Known to httpd alone: the status pages have them, and the agent's own status does not. */
    std::optional<WorkersStatus> workers;
    std::optional<SpoolStatus> spool;
    std::vector<AppStatus> apps;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("form", status.form);
        visit("version", status.version);
        visit("watchdog_pid", status.watchdogPid);
        visit("pool_pid", status.poolPid);
        visit("httpd_pid", status.httpdPid);
        visit("now", status.now);
        visit("since", status.since);
        visit("max_pool_size", status.maxPoolSize);
        visit("pool_size", status.poolSize);
        visit("waiting_for_room", status.waitingForRoom);
        visit("memory_budget", status.memoryBudget);
        visit("memory_used", status.memoryUsed);
        visit("apps_forgotten", status.appsForgotten);
        visit("apps_refused", status.appsRefused);
        visit("descriptors", status.descriptors);
        visit("descriptor_limit", status.descriptorLimit);
        visit("attaches_refused", status.attachesRefused);
        visit("connections_dropped", status.connectionsDropped);
        visit("child_connections_refused", status.childConnections);
        visit("child_channels_refused", status.childChannels);
        visit("child_apps_refused", status.childApps);
        visit("all_children_refused", status.allChildren);
        visit("descriptors_refused", status.descriptorsRefused);
        visit("log_lines_dropped", status.logLinesDropped);
        visit("boots_limited", status.bootsLimited);
        visit("agent_kills", status.agentKills);
        visit("draining", status.draining);
        visit("warming_up", status.warmingUp);
        visit("httpd_workers", status.workers);
        visit("spool", status.spool);
        visit("apps", status.apps);
    }
};

/** As a JSON object; invalid UTF-8 becomes U+FFFD. Keys are the members' names in snake_case. */
std::string toJson(const ServerStatus &status);
/** Unknown keys are ignored, missing ones leave the member as it is. @throws ProtocolException */
ServerStatus statusFromJson(std::string text);

}  // namespace Passenger
