#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>

#include "log/LogFields.h"
#include "log/LogLevel.h"

namespace Passenger {

/** One line for the agent's log, before it has a form. A plain value. */
struct LogRecord {
    enum class Source : unsigned char {
        /** A process of the agent. */
        AGENT,
        /** What a process of an application has printed. */
        OUTPUT,
        /** A line of a file of PassengerMonitorLogFile. */
        COPY
    };

    Source source = Source::AGENT;
    /** The level of an AGENT line. */
    LogLevel level = LogLevel::NOTICE;
    /** In milliseconds. */
    std::chrono::system_clock::time_point time;
    pid_t pid = 0;
    /** For OUTPUT, the process that has printed the line; 0: unknown. */
    pid_t appPid = 0;
    /** For OUTPUT and COPY, whether the text form says where the line comes from. */
    bool prefix = true;
    /** For COPY, the path. */
    std::string file{};
    /** Without a line break at its end. */
    std::string text{};

    /** With the field `event` first, if the record is an event: `app.output` of OUTPUT, `app.log`
     *  of COPY, `report.line` of a line of a report. */
    LogFields fields() const;

    /** The form for LogQueue, in which records follow each other. */
    std::string pack() const;
    /** Takes the first record off `packed`, which pack() has made and which is not empty. */
    static LogRecord unpack(std::string_view &packed);
};

}  // namespace Passenger
