#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "spawning/BootGuard.h"

namespace Passenger {

/** A finished step of the spawn server, and its duration. */
struct SpawnServerStep {
    std::string name;
    std::chrono::milliseconds duration{0};
};

/**
 * The spawn server could not start a process. Tells the failed step and the finished steps before
 * it.
 */
class StartRefused : public SpawnException {
public:
    StartRefused(const std::string &why, std::string step, std::vector<SpawnServerStep> done)
        : SpawnException(why), step_(std::move(step)), done_(std::move(done)) {}

    const std::string &step() const noexcept { return step_; }
    const std::vector<SpawnServerStep> &done() const noexcept { return done_; }

private:
    std::string step_;
    std::vector<SpawnServerStep> done_;
};

struct StartedProcess {
    /** The pid that the spawn server tells: a hint until the kernel confirms it. */
    pid_t pid = 0;
    /** The parent during the boot, as told by the spawn server. */
    pid_t parent = 0;
    /** Whether a login shell reads the user's profile first. */
    bool loginShell = false;
    /** The spawn server's user, as told by the kernel. */
    uid_t parentUid = 0;
    /** The agent's end of the control socket, with the senders' credentials. */
    FrameSocket control;
    /** The reading end of the process's output. */
    FileDescriptor output;
    /** The pipe on which the parent writes the wait status. */
    FileDescriptor waitStatus;
    /** Kills the process and all that it has started, until its boot has succeeded. */
    BootGuard boot;
    std::vector<SpawnServerStep> steps;
};

}  // namespace Passenger
