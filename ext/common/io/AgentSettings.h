#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "base/FileDescriptor.h"
#include "base/LogTarget.h"
#include "base/SeccompMode.h"

namespace Passenger {

/**
 * The settings of this server for the agent, sent at the start and at each reload. A plain value.
 */
struct AgentSettings {
    /**
     * The agent's program. Empty: passenger-agent in the root of `spawnServerCommand`, else the
     * installed one.
     */
    std::string agentCommand;
    /** The path of lib/passenger/spawn/spawn_server.rb. */
    std::string spawnServerCommand;
    std::string rubyCommand = "ruby";
    /** The environment of applications whose options have none. */
    std::string environment = "production";
    /**
     * The user of all applications if the agent runs as root. Empty or "root": each application has
     * its own. With an unknown user no spawn server starts.
     */
    std::string user;
    /** The log of the agent and of applications: a path, or a LogTarget. Empty, or a command after
     *  `|`: the sender's `logDescriptor`. */
    std::string logFile;
    /** The sender's descriptor of the log if logFile is no path. Not sent; the sender's standard
     *  error if it is negative. */
    int logDescriptor = -1;
    /** "text" or "json". */
    std::string logFormat = "text";
    /**
     * Whether the start of the agent fails if the spawn server does not start. Otherwise the
     * failure is logged, and the start is tried again.
     */
    bool requireSpawnServer = true;
    /** Whether the agent obeys ApplicationPool::clear() and setMax(). Otherwise it ends the
     *  connection. httpd's module never sets it: a child that was taken over could end all
     *  instances. Only at the start. */
    bool obeysUsers = false;
    unsigned maxPoolSize = 6;
    /** 0: maxPoolSize is the only limit. */
    unsigned maxInstancesPerApp = 0;
    /** MB of memory for the instances of all applications; 0: no limit. */
    unsigned memoryBudget = 0;
    std::chrono::seconds poolIdleTime{300};
    std::chrono::seconds maxAppIdleTime{3600};
    /** What one child of httpd can have, as ChildLimits. */
    unsigned maxChildConnections = 1024;
    unsigned maxChildChannels = 4096;
    unsigned maxChildApps = 2048;
    std::chrono::seconds statThrottleRate{10};
    int logLevel = 3;
    /** A command for /bin/sh that is run at some events. Empty: none. */
    std::string onEvent;
    /** URLs to request once httpd serves, one a line. */
    std::string preStart;
    /** No agent has run for this owner before. Only such an agent is held back until the URLs of
     *  preStart have been requested. */
    bool firstAgent = false;
    /** What the agent before this one has kept of drains and pauses (ControlVerb::KEPT). Only at
     *  the start. */
    std::string drains;
    std::string pauses;
    /** If the agent runs as root: the user of helper processes that need no rights, and of
     *  applications that would run as root. */
    std::string defaultUser = "nobody";
    /** The group of applications of `defaultUser`. Empty: that user's primary group. */
    std::string defaultGroup;
    /** If the agent runs as root: the user of the pool process. Empty: a number that nobody has
     *  (DynamicUser). */
    std::string agentUser;
    SeccompMode seccomp = SeccompMode::ON;
    /** Each application runs as its own user, if the agent runs as root. */
    bool userSwitching = true;
    /** The folder in which commands find this agent. Empty: commands do not find it. */
    std::string instanceRegistryDir;
    /** The backlog of the socket for commands. */
    unsigned socketBacklog = 2048;
    /** The folder for the sockets of applications that speak HTTP. */
    std::string spawnDir = "/tmp";
    /** The file in which the pool process lists its descriptors at intervals. Empty: none. */
    std::string descriptorLogFile;
    bool logPrefix = true;
    /** The pool process is killed and started again if its event loop does not answer the watchdog
     *  for so long. Zero: never. */
    std::chrono::seconds agentTimeout{5};
    /** The longest time that an application may get from SIGTERM to SIGKILL when the agent ends. */
    static constexpr std::chrono::seconds LONGEST_STOP{60};
    /** The largest Options::stopTimeout of the configuration, at most LONGEST_STOP. */
    std::chrono::seconds stopTimeout{5};
    /**
     * Files that the configuration names for applications, one a line. Only these may be opened
     * with root's rights.
     */
    std::string appFiles;
    /** What the configuration lets run (class Grants). Empty: everything, and the options of
     *  requests name the default user and group. */
    std::string grants;
    /** The number of the update that brought these settings; SETTINGS_DONE has it. Empty: the agent
     *  was started with them. */
    std::string update;
    /** How many pool processes the watchdog has killed for agentTimeout. Not in toMap(): the
     *  watchdog adds it when it starts a pool process. */
    std::uint64_t agentKills = 0;

    /** `grants` of the configuration before, and when they were replaced, in seconds of the steady
     *  clock; 0: they never were. Not in toMap(): the watchdog adds both to the settings of a
     *  reload, for processes that start later. */
    std::string earlierGrants;
    std::uint64_t grantsChanged = 0;

    /** What logFile says beside a path. */
    LogTarget logTarget() const noexcept { return LogTarget::parse(logFile).value_or(LogTarget()); }
    /** Whether logFile is the path of a file. */
    bool logsToFile() const noexcept;
    /** Opens that file for appending; a missing one is made. A FIFO without a reader is an error.
     *  @throws IOException, with the path */
    FileDescriptor openLogFile() const;
    /** The program to start: agentCommand, or its default. */
    std::string agentProgram() const;
    /** The helper of PassengerPreStart, beside the spawn server. */
    std::string preStartScript() const;

    /** The key of agentKills. */
    static constexpr const char *AGENT_KILLS = "agent_kills";
    /** The keys of grants, earlierGrants and grantsChanged. */
    static constexpr const char *GRANTS = "grants";
    static constexpr const char *EARLIER_GRANTS = "earlier_grants";
    static constexpr const char *GRANTS_CHANGED = "grants_changed";
    /** The form for frames. */
    std::map<std::string, std::string> toMap() const;
    /**
     * The reverse of toMap(). Missing keys keep their defaults and unknown keys are ignored, so
     * that the two versions may differ.
     * @throws ProtocolException for an invalid value
     */
    static AgentSettings fromMap(const std::map<std::string, std::string> &map);

    friend bool operator==(const AgentSettings &, const AgentSettings &) = default;
};

}  // namespace Passenger
