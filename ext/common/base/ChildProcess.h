#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/PidFd.h"

namespace Passenger {

/** Stands for the status of a process that somebody else reaped; it is neither an exit nor a signal. */
inline constexpr int UNKNOWN_WAIT_STATUS = -1;

/**
 * A process that we started: it is reaped by its owner and forgets its pid then, so that no signal can reach a stranger.
 *
 * The destructor kills (SIGKILL) and reaps a child that still runs, unless it was released. Not thread-safe.
 */
class ChildProcess {
public:
    struct Command {
        /** Looked up in PATH when it has no slash. */
        std::string program;
        /** Without the program's name itself. */
        std::vector<std::string> arguments;
        /** (descriptor here, number there). All other descriptors above 2 are closed in the child. */
        std::vector<std::pair<int, int>> descriptors;
        /** Whole environment as NAME=value; nothing: the caller's. */
        std::optional<std::vector<std::string>> environment;
        /** Make it the leader of a session of its own. */
        bool newSession = false;
        /** Signal when the starting thread's process ends (PR_SET_PDEATHSIG); 0: none. Only from a thread that lives as long as the process. */
        int parentDeathSignal = 0;
    };

    ChildProcess() noexcept = default;
    /** Forks and executes; returns after the exec. Standard input is /dev/null unless mapped; 1 and 2 are the caller's unless mapped. Signals are reset to
     *  their defaults and unblocked. Between fork and exec only async-signal-safe calls are made.
     *  @throws SystemException also when the program cannot be executed (the error of exec, naming the program) */
    explicit ChildProcess(const Command &command);
    ChildProcess(ChildProcess &&other) noexcept;
    ChildProcess &operator=(ChildProcess &&other) noexcept;
    ~ChildProcess();

    pid_t pid() const noexcept {
        return pid_;
    }
    explicit operator bool() const noexcept {
        return pid_ > 0;
    }
    const FileDescriptor &pidFd() const noexcept {
        return pidFd_;
    }
    /** False when it already ended. */
    bool signal(int signal);
    /** The wait status if it ended within `timeout`; then pid() is 0. UNKNOWN_WAIT_STATUS when somebody else has reaped it, as
     *  httpd's parent does with children that it does not know. */
    std::optional<int> wait(std::chrono::milliseconds timeout);
    /** Leaves the process alone from now on. */
    pid_t release() noexcept;

private:
    void kill() noexcept;
    std::optional<int> reap(int options);

    pid_t pid_ = 0;
    FileDescriptor pidFd_;
};

/** "exited with status 3", "killed by signal 9 (Killed)". */
std::string describeWaitStatus(int status);

}  // namespace Passenger
