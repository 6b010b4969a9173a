#pragma once

#include <exception>

#include "base/FileDescriptor.h"
#include "spawning/ProcessOutput.h"
#include "spawning/SpawnReport.h"

namespace Passenger {

/** Whether this means that the peer of a control socket is gone. */
bool lostContact(const std::exception &error);

/** "was killed by signal 9 (Killed)", "exited with status 1", or "ended". */
std::string howItEnded(const std::optional<int> &waitStatus);

/** A process whose start has failed. Empty descriptors: it never was there. */
struct FailedProcess {
    const FileDescriptor &pidFd;
    const FileDescriptor &waitStatus;
    ProcessOutput &output;
    /** So it answers SIGQUIT with backtraces. */
    bool isRuby = true;
};

/**
 * Adds to the report what can still be learned: how the process ended, if contact was lost since it ended; where its threads are, if the
 * time is over (report.timedOut); and what it has printed. The process is not ended by this. Waits up to a second: background threads only.
 */
void collectPostMortem(SpawnReport &report, const FailedProcess &process, bool contactWasLost);

}  // namespace Passenger
