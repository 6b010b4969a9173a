#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "pool/ApplicationQueue.h"

namespace Passenger {

/**
 * What a pool process leaves with the watchdog about an instance, beside descriptors, for the pool
 * process that follows. A plain value.
 */
struct InstanceNote {
    pid_t pid = 0;
    std::uint32_t threads = 0;
    std::uint32_t stickyId = 0;
    /** The value of Options::heartbeatTimeout when the instance was started. */
    std::chrono::seconds heartbeatTimeout{0};
    /** The value of Options::stopTimeout when the instance was started. */
    std::chrono::seconds stopTimeout{0};
    bool hasDescendants = false;
    /** See SpawnResult::isAsgi. */
    bool isAsgi = false;
    /** It takes requests, and was not told to end. */
    bool serves = false;
    /** The last deployment has failed, so that it is one of the version before. */
    bool deployFailed = false;
    /** RestartFiles::seen() before it was started, or RestartFiles::ASKED. */
    std::string restartFile;
    /** The application's control group; empty: none. */
    std::string group{};
    /** Its cells, one range for each of the claims whose descriptors go with the note. */
    std::vector<CellRange> cells{};
    /** The application's name. */
    std::string app;

    std::string toText() const;
    /** @throws ProtocolException */
    static InstanceNote parse(const std::string &text);
};

}  // namespace Passenger
