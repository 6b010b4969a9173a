#pragma once

#include <string>

#include "base/SeccompMode.h"

namespace Passenger {

/** What spawn servers are started with. A plain value. */
struct SpawnSettings {
    /** The script: …/lib/passenger/spawn/spawn_server.rb. */
    std::string spawnServerCommand;
    std::string rubyCommand = "ruby";
    /**
     * The user of all spawn servers and processes if the agent runs as root. Empty or "root":
     * requests name the user.
     */
    std::string user;
    /** The program of bridges. If the agent runs as root, it also starts spawn servers as their
     *  users. */
    std::string agentProgram = "passenger-agent";
    /** The folder in which bridges make the folders of their applications' sockets. */
    std::string spawnDir = "/tmp";
    /** The user whose spawn server ensureStarted() starts if the agent runs as root and `user` is
     *  empty. */
    std::string defaultUser = "nobody";
    /** How bridges limit themselves. */
    SeccompMode seccomp = SeccompMode::ON;

    bool operator==(const SpawnSettings &) const = default;
};

}  // namespace Passenger
