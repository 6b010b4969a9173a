#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "commands/Arguments.h"
#include "control/ControlClient.h"

namespace Passenger {

/** An agent that is running, as its folder tells (doc/PROTOCOLS.md, section 5). */
struct RunningAgent {
    /** The part of the folder's name behind `passenger.`. */
    std::string name;
    std::string folder;
    std::string version;
    pid_t watchdogPid = 0;
    pid_t poolPid = 0;
    pid_t httpdPid = 0;
    /** Seconds since 1970. */
    double startedAt = 0;
    /** The file properties.json. */
    std::string properties;

    /** @throws AbsentAgentException (its pool process has ended), CommandFailureException, with the
     *  status for no answer */
    ControlClient connect() const;
};

/**
 * Finds agents in PassengerInstanceRegistryDir. Only folders of root and of this process's user
 * count: other users may write in a folder as /tmp. Blocks on the file system.
 */
class AgentFinder {
public:
    /** The folder that the options name, or the environment, or else httpd's own. */
    explicit AgentFinder(const Arguments &arguments);
    explicit AgentFinder(std::string folder) : folder_(std::move(folder)) {}

    /** The agents that are alive, the newest first. Also those whose pool process is being
     *  replaced. */
    std::vector<RunningAgent> list() const;
    /**
     * The one agent that is meant. If one httpd has several agents, the newest is meant: the others
     * end with their last requests.
     * @param name its beginning; empty: any @throws CommandFailureException
     */
    RunningAgent choose(const std::string &name) const;
    /** @throws CommandFailureException */
    RunningAgent chooseByPid(const std::string &watchdogPid) const;

    /** Why there may be none, and what to do. */
    std::string nothingFound() const;

    const std::string &folder() const noexcept { return folder_; }

private:
    std::vector<std::string> candidates() const;

    std::string folder_;
};

/** A table with names and pids. */
std::string agentTable(const std::vector<RunningAgent> &agents);

}  // namespace Passenger
