#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/FileDescriptor.h"
#include "io/SocketPair.h"

namespace Passenger {

/**
 * A process that was started for us by another one, so that it is not our child. Kills it (SIGKILL) when destroyed,
 * unless it was released; its parent reaps it.
 *
 * Never believes a pid because somebody said so: a pidfd is opened, and then the kernel is asked whether that process
 * has the expected parent and user. A pid that was given to a stranger meanwhile fails this. Not thread-safe.
 */
class SpawnedProcess {
public:
    struct Expected {
        /** Who has forked it. */
        pid_t parent = 0;
        uid_t uid = 0;
    };

    SpawnedProcess() noexcept = default;
    /** @param pid as its parent says. A process that is gone already gives an empty object.
     *  @throws ProtocolException when the pid is somebody else's; SystemException */
    SpawnedProcess(pid_t pid, const Expected &expected);
    SpawnedProcess(SpawnedProcess &&other) noexcept;
    SpawnedProcess &operator=(SpawnedProcess &&other) noexcept;
    ~SpawnedProcess();

    /** Whether it is this process that sent something. @throws ProtocolException when it was another one, or another
     * user */
    void confirm(const PeerCredentials &sender) const;

    pid_t pid() const noexcept {
        return pid_;
    }
    uid_t uid() const noexcept {
        return uid_;
    }
    /** Empty: it has ended before anything could be learned of it. */
    const FileDescriptor &pidFd() const noexcept {
        return pidFd_;
    }
    explicit operator bool() const noexcept {
        return static_cast<bool>(pidFd_);
    }
    /** Whether it has ended, or ends within `timeout`. */
    bool ended(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) const;
    /** Kills it and waits a moment for its end. */
    void kill() noexcept;
    /** The pidfd; this object is empty then. */
    FileDescriptor release() noexcept;

private:
    pid_t pid_ = 0;
    uid_t uid_ = 0;
    FileDescriptor pidFd_;
};

}  // namespace Passenger
