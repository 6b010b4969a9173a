#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/SeccompMode.h"

namespace Passenger {

/** What a process still may do beside computing, reading files and talking over Unix sockets. */
struct Confinement {
    /** Whether it may make TCP sockets, and the ports to which they may connect. */
    bool tcp = false;
    std::vector<std::uint16_t> ports{};
    /** Processes of the same user may look into it, and it may leave a core. */
    bool dumpable = false;
    SeccompMode seccomp = SeccompMode::ON;
};

/**
 * Takes from this process for good what it does not need: no_new_privs, SystemCallFilter and, with
 * SeccompMode::ON, FileLimits. What the kernel does not have is left out. A build with sanitizers
 * limits nothing, since these need more.
 *
 * The process has one thread and its last user. It can no longer start a process, and its children
 * have the same limits.
 * @return what is in force, for a line of the log: `no_new_privs=yes seccomp=on landlock=7`
 * @throws SystemException; IOException: the process has several threads. It may then be limited in
 *     part
 */
std::string confine(const Confinement &limits);

/**
 * Confines the program that this process executes next, such as an interpreter. It may execute
 * others. The kernel makes each executed program dumpable.
 *
 * @param ports to which TCP sockets may connect
 * @throws SystemException; IOException: the process has several threads
 */
void confineProgram(const std::vector<std::uint16_t> &ports, SeccompMode seccomp);

}  // namespace Passenger
