#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/FileDescriptor.h"

namespace Passenger {

/** A pidfd for `pid`. @throws SystemException (ESRCH: there is no such process) */
FileDescriptor openPidFd(pid_t pid);
bool isPidFd(const FileDescriptor &descriptor) noexcept;
/**
 * Sends a signal through a pidfd.
 * @return false if the process has ended
 * @throws SystemException otherwise
 */
bool signalPidFd(const FileDescriptor &pidFd, int signal);
/** Whether the process behind the pidfd ended within `timeout`. */
bool waitPidFd(const FileDescriptor &pidFd, std::chrono::milliseconds timeout);

}  // namespace Passenger
