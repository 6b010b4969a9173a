#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "base/Report.h"

namespace Passenger {

/** What the kernel says of a process: with which environment it was started, whom it runs as, its limits. A plain value. */
struct ProcessFacts {
    std::map<std::string, std::string> environment;
    /** Rows: what, value. */
    std::vector<Report::Row> ids;
    /** Rows: limit, soft, hard. */
    std::vector<Report::Row> limits;

    /** Reads a few files of /proc. What cannot be read is left empty; so is everything when the process is gone. The caller
     *  makes sure that the pid still is the process's when this returns. */
    static ProcessFacts of(pid_t pid);
};

}  // namespace Passenger
