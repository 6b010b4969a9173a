#pragma once

#include "base/FileDescriptor.h"
#include "spawning/ProcessOutput.h"
#include "spawning/SpawnReport.h"

namespace Passenger {

/** "was killed by signal 9 (Killed)", "exited with status 1", or "ended". */
std::string howItEnded(const std::optional<int> &waitStatus);

/** A process whose start has failed. Empty descriptors: the process did not start. */
struct FailedProcess {
    const FileDescriptor &pidFd;
    const FileDescriptor &waitStatus;
    ProcessOutput &output;
    /** A Ruby process answers SIGQUIT with backtraces. */
    bool isRuby = true;
};

/**
 * Adds facts about the process to the report. If contact was lost because the process ended: how it
 * ended. After a timeout (report.timedOut): the backtraces of its threads. In all cases: its
 * output. Does not end the process. Waits up to a second: for background threads only.
 */
void collectPostMortem(SpawnReport &report, const FailedProcess &process, bool contactWasLost);

}  // namespace Passenger
