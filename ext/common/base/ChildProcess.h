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

/**
 * The status of a process that another part of the program has reaped. The value is neither an exit
 * nor a signal.
 */
inline constexpr int UNKNOWN_WAIT_STATUS = -1;

/**
 * A started child process. Its owner reaps it; the object then forgets the pid, so that no signal
 * can reach an unrelated process.
 *
 * The destructor kills (SIGKILL) and reaps a child that still runs, unless it was released. Not
 * thread-safe.
 */
class ChildProcess {
public:
    struct Command {
        /** A name without a slash is searched for in PATH. */
        std::string program;
        /** Without the program's name. */
        std::vector<std::string> arguments;
        /**
         * Pairs: (descriptor in the caller, number in the child). The child has no other
         * descriptors above 2.
         */
        std::vector<std::pair<int, int>> descriptors;
        /** The whole environment as NAME=value. None: the child gets the caller's environment. */
        std::optional<std::vector<std::string>> environment;
        /** The child becomes the leader of a new session. */
        bool newSession = false;
        /** The child becomes the leader of a new process group. */
        bool newGroup = false;
        /**
         * The signal that the child gets when the starting thread's process ends
         * (PR_SET_PDEATHSIG); 0: none. If set, only a thread that lives as long as the process may
         * start the child.
         */
        int parentDeathSignal = 0;
    };

    ChildProcess() noexcept = default;
    /**
     * Forks and executes; returns after the exec. Standard input is /dev/null unless mapped.
     * Descriptors 1 and 2 are the caller's unless mapped. Signals get their default actions and are
     * unblocked. The child makes only async-signal-safe calls between fork and exec.
     * @throws SystemException also if the program cannot be executed: with the error of exec and
     *     the program's name
     */
    explicit ChildProcess(const Command &command);
    ChildProcess(ChildProcess &&other) noexcept;
    ChildProcess &operator=(ChildProcess &&other) noexcept;
    ~ChildProcess();

    pid_t pid() const noexcept { return pid_; }
    explicit operator bool() const noexcept { return pid_ > 0; }
    const FileDescriptor &pidFd() const noexcept { return pidFd_; }
    /** @return false if the process has ended */
    bool signal(int signal);
    /**
     * @return the wait status if the process ends within `timeout`; pid() is then 0.
     *     UNKNOWN_WAIT_STATUS if another part of the program has reaped the process. httpd's parent
     *     does so with children that it does not know.
     */
    std::optional<int> wait(std::chrono::milliseconds timeout);
    /** Kills (SIGKILL) and reaps the process. A process that has not ended within `patience` waits
     *  in the kernel: it is released. @return whether it has ended */
    bool killWithin(std::chrono::milliseconds patience);
    /** Gives up ownership: the destructor leaves the process alone. */
    pid_t release() noexcept;

private:
    void kill() noexcept;
    std::optional<int> reap(int options);

    pid_t pid_ = 0;
    FileDescriptor pidFd_;
};

/** "exited with status 3", "killed by signal 9 (Killed)". */
std::string describeWaitStatus(int status);
/** The signal that killed the command of a shell, which ends with 128 and its number then (POSIX,
 *  sh); 0: none. Only signals that come of faults, and SIGKILL and SIGTERM, count: programs have
 *  such statuses of their own, as git's 129. */
int signalOfShell(int waitStatus) noexcept;

/** The end as the verb of a sentence: "exited with status 3", "was killed by signal 9 (Killed)". */
std::string describeEnd(int status);

}  // namespace Passenger
