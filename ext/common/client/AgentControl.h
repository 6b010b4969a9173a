#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "io/AgentSettings.h"

namespace Passenger {

/** A running agent, for its owner. Plain data, which survives the unloading of the code that
 *  started the agent. */
struct AgentHandle {
    int controlSocket = -1;
    int connectSocket = -1;
    /** The other end, for an agent that may have to replace this one. */
    int serverSocket = -1;
    /** A byte of shared memory. Not 0: no agent is to be waited for. */
    int absence = -1;
    /** The same memory, for reading only. The other processes have no other descriptor of it: none
     *  of them can say for the others that there is no agent. */
    int absenceView = -1;
    /** The process that this owner has started. 0: none, or its end is known. */
    pid_t anchorPid = 0;
    pid_t ownerPid = 0;
    /** AgentSettings::stopTimeout of the agent's settings. */
    std::chrono::seconds stopTimeout{0};
};

/** The result of startAgent(). The caller owns the handle's descriptors. */
struct StartedAgent {
    AgentHandle handle;
    pid_t poolPid = 0;
    /** 0: the spawn server does not run yet. */
    pid_t spawnServerPid = 0;
    /** A message for the server's log; mostly empty. */
    std::string warning;
};

/**
 * The owner's side of the agent: its start, its settings and its end. Functions without state and
 * without threads; the handle is their only memory. The process that owns the agent makes one call
 * at a time; any process may call agentAlive().
 *
 * The control socket shows whether the agent runs, since only anchor and watchdog have its other
 * end. The pid does not show it: httpd reaps every child process that ends.
 */

/** Starts the agent, and waits until it is ready. After an exception all its processes have ended.
 *  @throws SystemException, IOException (the log file cannot be opened; the agent ended),
 *  SpawnException (the spawn server does not start), boost::thread_resource_error (a thread of the
 *  agent could not be made) */
StartedAgent startAgent(const AgentSettings &settings);

/** A handle without an agent, which replaceAgent() starts. @throws SystemException */
AgentHandle makeAgentHandle();

/** Starts another agent in place of a dead one. Processes with the connectSocket wait for it, and
 *  then use it. On success the result has the descriptors of `dead`; otherwise `dead` keeps what a
 *  further call needs. @throws as startAgent() */
StartedAgent replaceAgent(AgentHandle &dead, const AgentSettings &settings);

/** No agent starts soon: processes that ask on the connectSocket learn that at once, until
 *  replaceAgent() has started one. */
void refuseAgentsUsers(AgentHandle &handle) noexcept;

/** Ends the agent with all its instances, waits for their end, for 25 s and
 *  AgentSettings::stopTimeout at most, and closes the handle's descriptors. Idempotent. */
void stopAgent(AgentHandle &handle) noexcept;

/** Releases the agent. It works for other processes with its connectSocket until the last of them
 *  has closed that socket or ended. Then it ends by itself. Closes the handle's descriptors. */
void letGoOfAgent(AgentHandle &handle) noexcept;

/** In a forked process: closes what only the owner needs. The handle keeps what users need. */
void disownAgent(AgentHandle &handle) noexcept;

enum class AgentUpdate {
    /** The agent does what it is asked from now on with the new settings, or has refused them. */
    IN_FORCE,
    /** The agent was sent the settings, but has not said in time that they are in force. */
    LATE,
    /** The agent has ended, or does not receive them. */
    FAILED
};

/** Sends new settings, with the log file opened anew, and waits until they are in force, for two
 *  seconds at most. @throws IOException (the log file cannot be opened) */
AgentUpdate updateAgent(AgentHandle &handle, const AgentSettings &settings);

/** Whether the agent still runs. */
bool agentAlive(const AgentHandle &handle) noexcept;

/** Whether a process has shut the connectSocket down, which all share: no process can connect any
 *  more, and no call changes that. Another agent needs another handle. */
bool agentCutOff(const AgentHandle &handle) noexcept;

}  // namespace Passenger
