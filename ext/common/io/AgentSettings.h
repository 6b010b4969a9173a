#pragma once

#include <chrono>
#include <map>
#include <string>

namespace Passenger {

/** Everything the agent is told about this server; sent again at each reload. A plain value. */
struct AgentSettings {
    /** The program; empty: passenger-agent beside lib/ of the spawn server, else the installed one. */
    std::string agentCommand;
    /** lib/passenger/spawn/spawn_server.rb. */
    std::string spawnServerCommand;
    std::string rubyCommand = "ruby";
    /** Of applications whose options name none. */
    std::string environment = "production";
    /** Whom the spawn server runs as, where we are root; empty or unknown: as we are. */
    std::string user;
    /** Where agent and applications write; empty: to our standard error. */
    std::string logFile;
    /** Whether a spawn server that does not start is an error of the constructor (seed 003), or only logged and tried
     *  again. */
    bool requireSpawnServer = true;
    unsigned maxPoolSize = 6;
    /** 0: no limit but maxPoolSize. */
    unsigned maxInstancesPerApp = 0;
    std::chrono::seconds poolIdleTime{300};
    std::chrono::seconds statThrottleRate{10};
    int logLevel = 3;
    /** URLs to ask for once httpd serves, one a line. */
    std::string preStart;
    /** Whom helpers of ours run as that need no rights, where we are root; empty: as we are. */
    std::string defaultUser;
    /** Where commands find this agent; empty: nowhere. */
    std::string instanceRegistryDir;
    /** Of the socket on which commands ask it. */
    unsigned socketBacklog = 2048;
    /** Where the sockets of applications that speak HTTP are. */
    std::string spawnDir = "/tmp";
    /** Where the pool process lists its descriptors every now and then; empty: nowhere. */
    std::string descriptorLogFile;
    bool logPrefix = true;
    /** Files that the configuration names for applications, one a line: the only ones that may be opened with root's rights. */
    std::string appFiles;

    /** The program to start: agentCommand, or what stands in for it. */
    std::string agentProgram() const;

    /** The form in which settings travel in frames. */
    std::map<std::string, std::string> toMap() const;
    /** The reverse. What is missing keeps its default, unknown keys are left out, so that versions can differ.
     *  @throws ProtocolException for a value that is not understood */
    static AgentSettings fromMap(const std::map<std::string, std::string> &map);

    friend bool operator==(const AgentSettings &, const AgentSettings &) = default;
};

}  // namespace Passenger
