#include "base/PidFd.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/Exceptions.h"
#include "base/Poll.h"

namespace Passenger {

FileDescriptor openPidFd(pid_t pid) {
    const auto fd = ::syscall(SYS_pidfd_open, pid, 0U);
    if (fd < 0) {
        throw SystemException("pidfd_open(" + std::to_string(pid) + ")", errno);
    }
    return FileDescriptor(static_cast<int>(fd));
}

bool isPidFd(const FileDescriptor &descriptor) noexcept {
    return ::syscall(SYS_pidfd_send_signal, descriptor.get(), 0, nullptr, 0U) == 0 || errno != EBADF;
}

bool signalPidFd(const FileDescriptor &pidFd, int signal) {
    // The kernel accepts signals for a process that has ended and is not reaped. Here such a
    // process is gone.
    if (waitPidFd(pidFd, std::chrono::milliseconds(0))) {
        return false;
    }
    if (::syscall(SYS_pidfd_send_signal, pidFd.get(), signal, nullptr, 0U) == 0) {
        return true;
    }
    if (errno == ESRCH) {
        return false;
    }
    throw SystemException("pidfd_send_signal(" + std::to_string(signal) + ")", errno);
}

bool waitPidFd(const FileDescriptor &pidFd, std::chrono::milliseconds timeout) {
    return pollUntil(pidFd.get(), POLLIN, deadlineIn(timeout));
}

}  // namespace Passenger
