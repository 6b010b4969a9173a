#pragma once

#include <cstdint>

#include "base/SeccompMode.h"

namespace Passenger {

/**
 * Limits this process for good to the system calls that it needs: memory, threads, time, files,
 * sockets (seccomp, doc/decisions/0028-system-calls.md).
 */
namespace SystemCallFilter {

enum class For {
    /** A process that serves, with Unix sockets. */
    SERVING,
    /** Also with sockets of the families AF_INET and AF_INET6, and of AF_NETLINK to ask who
     *  listens (sock_diag(7)). */
    SERVING_TCP,
    /** A program that is executed next, such as an interpreter. It may execute others, and has
     *  sockets of AF_UNIX, AF_INET and AF_INET6, and of AF_NETLINK to read the machine's
     *  addresses. */
    PROGRAM
};

/**
 * For all threads, also later ones. What is not on the list fails with ENOSYS, as in an older
 * kernel. To start a process fails with EPERM, except in a PROGRAM, and a socket of another family
 * with EAFNOSUPPORT. What needs root's rights or takes another process over kills the process.
 *
 * @return false: the kernel has no such filters, and nothing is limited
 * @throws SystemException
 */
bool apply(SeccompMode mode, For purpose);

/**
 * Writes what `apply` would give the kernel, as text. So a test sees the filters of other
 * processors.
 *
 * @param architecture the processor, as a number of libseccomp
 * @throws SystemException
 */
void writeAsText(std::uint32_t architecture, For purpose, int file);

}  // namespace SystemCallFilter

}  // namespace Passenger
