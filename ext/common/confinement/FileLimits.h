#pragma once

#include <cstdint>
#include <vector>

namespace Passenger {

/**
 * Limits this process for good by Landlock. It executes no file, and changes no file but /dev/null.
 * It connects and binds no TCP socket but to given ports (Linux 6.7). It sends no signal to, and
 * connects to no abstract Unix socket of, processes without these limits (Linux 6.12). It reads all
 * that it could read before. Descriptors that are open already are not affected.
 */
namespace FileLimits {

struct Exceptions {
    /** Ports to which TCP sockets may connect. */
    std::vector<std::uint16_t> ports;
    /** Whether files may be executed. */
    bool executes = false;
};

/**
 * The process has no_new_privs. The limits hold for the calling thread and those that it makes
 * later: so the process has one thread.
 * @return the version of Landlock in the kernel; 0: the kernel has none, and nothing is limited
 * @throws SystemException; the process may then be limited in part
 */
int apply(const Exceptions &exceptions);

}  // namespace FileLimits

}  // namespace Passenger
