#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <utility>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A process that Rights has started: a spawn server, the helper of PassengerPreStart, or the
 * command of PassengerOnEvent. It may be a child of this process or of another one.
 *
 * The destructor kills a process that still runs. Not thread-safe.
 */
class HelperProcess {
public:
    HelperProcess() noexcept = default;
    HelperProcess(pid_t pid, FileDescriptor pidFd) noexcept;
    HelperProcess(HelperProcess &&other) noexcept;
    HelperProcess &operator=(HelperProcess &&other) noexcept;
    ~HelperProcess();

    pid_t pid() const noexcept { return pid_; }
    const FileDescriptor &pidFd() const noexcept { return pidFd_; }
    /**
     * Waits for the end of the process, and reaps it if it is a child.
     * @return nothing if it still runs after `timeout`; else the wait status, or
     *     UNKNOWN_WAIT_STATUS of another process's child
     * @throws SystemException
     */
    std::optional<int> wait(std::chrono::milliseconds timeout);
    /** Gives up ownership: the destructor leaves the process alone. */
    FileDescriptor release() noexcept {
        pid_ = 0;
        return std::move(pidFd_);
    }

private:
    void end() noexcept;

    pid_t pid_ = 0;
    FileDescriptor pidFd_;
};

}  // namespace Passenger
