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

    /** The content of the process's files in /proc. */
    struct Files {
        std::string environ;
        std::string status;
        std::string limits;
    };
    /**
     * Of each file the first 256 KiB at most, since the process decides how long its environment
     * is. Files that cannot be read are empty; without the process all are. The caller checks that
     * the pid still belongs to the process after the return.
     */
    static Files read(pid_t pid);

    ProcessFacts() = default;
    explicit ProcessFacts(const Files &files);
};

}  // namespace Passenger
