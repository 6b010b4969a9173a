#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace Passenger {

/** A request to a spawn server to start a process. */
struct StartRequest {
    enum class Role { PRELOADER, INSTANCE, PYTHON_PRELOADER, PYTHON_INSTANCE, BRIDGE };

    Role role = Role::INSTANCE;
    /** The Ruby or Python to execute; for a BRIDGE, passenger-agent. */
    std::string program = "ruby";
    /** Named where the agent runs as root and no user is set for all. Then an empty group is the
     *  user's primary group. */
    std::string user;
    std::string group;
    /**
     * Start by the user's login shell, so that it reads the profile (PassengerLoadShellEnvvars).
     * Only for shells that the spawn server knows.
     */
    bool loginShell = false;
    /** The new process's environment, in addition to the spawn server's own. */
    std::map<std::string, std::string> environment;
    /** The application's options, by which the rights process determines its user again
     *  (SpawnServerStart::userOptions). */
    std::map<std::string, std::string> userOptions{};
    /** Called with the process's pid, as told by the kernel, before the process executes anything.
     *  Returns its RLIMIT_NPROC; 0: as it is. Empty: the process does not wait. */
    std::function<std::uint64_t(pid_t)> forked{};
};

}  // namespace Passenger
