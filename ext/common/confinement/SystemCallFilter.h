#pragma once

#include "base/SeccompMode.h"

namespace Passenger {

/**
 * Limits this process for good to the system calls that a process needs which serves: memory,
 * threads, time, files, sockets (seccomp, doc/decisions/0028-system-calls.md).
 */
namespace SystemCallFilter {

/**
 * For all threads, also later ones. What is not on the list fails with ENOSYS, as in an older
 * kernel. To start a process fails with EPERM, and a socket of another family with EAFNOSUPPORT.
 * What needs root's rights or takes another process over kills the process.
 *
 * @param tcp also sockets of the families AF_INET and AF_INET6
 * @return false: the kernel has no such filters, and nothing is limited
 * @throws SystemException
 */
bool apply(SeccompMode mode, bool tcp);

}  // namespace SystemCallFilter

}  // namespace Passenger
