#pragma once

namespace Passenger {

/** The first field of an ORDER frame (doc/PROTOCOLS.md, section 5). */
struct ControlVerb {
    /** An application's name, or nothing for all. Answer: a ServerStatus as JSON. */
    static constexpr const char *STATUS = "status";
    /** A report's number. Answer: the report's frame fields (io/ReportFrame.h). */
    static constexpr const char *REPORT = "report";
    /** An application's name. */
    static constexpr const char *RESTART = "restart";
    /** An instance's pid: it gets no more requests, finishes those that it has, and is replaced. */
    static constexpr const char *DETACH = "detach";
    /** An application's name, or nothing for the server; `1` or `0`. */
    static constexpr const char *DRAIN = "drain";
    /** The log files are opened anew. */
    static constexpr const char *REOPEN_LOGS = "reopen_logs";
};

}  // namespace Passenger
