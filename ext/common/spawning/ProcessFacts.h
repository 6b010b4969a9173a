#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "base/Report.h"

namespace Passenger {

/**
 * Facts of the kernel about a process: the environment of its start, its user and groups, its
 * limits. A plain value.
 */
struct ProcessFacts {
    std::map<std::string, std::string> environment;
    /** Rows: kind, value. */
    std::vector<Report::Row> ids;
    /** Rows: limit, soft, hard. */
    std::vector<Report::Row> limits;

    /**
     * Reads some files of /proc. Files that cannot be read leave their part empty; without the
     * process all parts are empty. The caller checks that the pid still belongs to the process
     * after the return.
     */
    static ProcessFacts of(pid_t pid);
};

}  // namespace Passenger
