#pragma once

namespace Passenger {

/** The first field of an ORDER frame (doc/PROTOCOLS.md, section 5). */
struct ControlVerb {
    /** An application's name, or nothing for all; perhaps WITH_REQUESTS, FIGURES or HEALTH. Answer:
     *  a ServerStatus as JSON. */
    static constexpr const char *STATUS = "status";
    /** Lists the requests in flight of all applications, too. */
    static constexpr const char *WITH_REQUESTS = "requests";
    /** Leaves out AppStatus::windows and points, most of the text, which metrics do not need. */
    static constexpr const char *FIGURES = "figures";
    /** As FIGURES, for a balancer. Applications that fail are tried again as by a request. */
    static constexpr const char *HEALTH = "health";
    /** An application's name; `1`: its instances are asked where their threads are, `0`: what they
     *  have answered since. Answer to `0`: as JSON, an array with `pid`, `answered` and `text`
     *  of each instance. */
    static constexpr const char *THREADS = "threads";
    /** A report's number. Answer: the report's frame fields (io/ReportFrame.h). */
    static constexpr const char *REPORT = "report";
    /** An application's name. */
    static constexpr const char *RESTART = "restart";
    /** An instance's pid: it gets no more requests, finishes those that it has, and is replaced. */
    static constexpr const char *DETACH = "detach";
    /** An application's name, or nothing for the server; `1` or `0`. */
    static constexpr const char *DRAIN = "drain";
    /** An application's name, and for how many seconds at most: its requests wait. */
    static constexpr const char *PAUSE = "pause";
    /** An application's name: the pause ends. */
    static constexpr const char *RESUME = "resume";
    /** Only from httpd. What the store keeps of drains and pauses, for the next agent: two notes,
     *  AgentSettings::drains and AgentSettings::pauses. */
    static constexpr const char *KEPT = "kept";
    /** About which applications a balancer asks, in any words, and the weight of this moment, 0 to
     *  100. Answer: the weight to tell (policy/SmoothWeights.h). */
    static constexpr const char *WEIGHT = "weight";
    /** The log files are opened anew. */
    static constexpr const char *REOPEN_LOGS = "reopen_logs";
};

}  // namespace Passenger
