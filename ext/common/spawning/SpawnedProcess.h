#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/FileDescriptor.h"
#include "io/SocketPair.h"

namespace Passenger {

/**
 * A process that another process has started for the agent, so it is no child of the agent. The
 * destructor kills it (SIGKILL), unless it was released; its parent reaps it.
 *
 * The pid comes from another process and is verified. The constructor opens a pidfd, and then
 * checks the process's parent and user in /proc. So a reused pid is detected. Not thread-safe.
 */
class SpawnedProcess {
public:
    /** The process that forked it has ended. */
    static constexpr pid_t ANY_PARENT = 0;

    struct Expected {
        /** The process that forked it, or ANY_PARENT. */
        pid_t parent = ANY_PARENT;
        uid_t uid = 0;
    };

    SpawnedProcess() noexcept = default;
    /**
     * @param pid as told by its parent. If the process has already ended, the object is empty.
     * @throws ProtocolException if the pid belongs to another process; SystemException
     */
    SpawnedProcess(pid_t pid, const Expected &expected);
    SpawnedProcess(SpawnedProcess &&other) noexcept;
    SpawnedProcess &operator=(SpawnedProcess &&other) noexcept;
    ~SpawnedProcess();

    /**
     * Checks that this process is the sender.
     * @throws ProtocolException for another process or user
     */
    void confirm(const PeerCredentials &sender) const;

    pid_t pid() const noexcept { return pid_; }
    uid_t uid() const noexcept { return uid_; }
    /** Empty: the process ended before it was verified. */
    const FileDescriptor &pidFd() const noexcept { return pidFd_; }
    explicit operator bool() const noexcept { return static_cast<bool>(pidFd_); }
    /** Whether the process has ended, or ends within `timeout`. */
    bool ended(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) const;
    /** Kills the process and waits for its end for a short time. */
    void kill() noexcept;
    /** The pidfd; this object is empty then. */
    FileDescriptor release() noexcept;

private:
    pid_t pid_ = 0;
    uid_t uid_ = 0;
    FileDescriptor pidFd_;
};

}  // namespace Passenger
