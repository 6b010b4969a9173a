#pragma once

#include <sys/types.h>

#include <string>

#include "io/AgentSettings.h"

namespace Passenger {

/** What a running agent is to its owner. Plain data, which survives the unloading of the code that
 *  started it. */
struct AgentHandle {
    int controlSocket = -1;
    int connectSocket = -1;
    /** The other end, for the agent that may have to take this one's place. */
    int serverSocket = -1;
    pid_t watchdogPid = 0;
    pid_t ownerPid = 0;
};

/** What startAgent() brings. The handle's descriptors belong to the caller. */
struct StartedAgent {
    AgentHandle handle;
    pid_t poolPid = 0;
    /** 0: it does not run (yet). */
    pid_t spawnServerPid = 0;
    /** For the server's log; mostly empty. */
    std::string warning;
};

/**
 * The owner's side of the agent: starting, telling and ending it. Functions without state of their
 * own; no thread is made, and they hold on to nothing but the handle. Used by the process that is
 * to own the agent, one call at a time; agentAlive() anywhere.
 *
 * Whether the watchdog runs is told by the control socket, whose other end it alone has: its pid
 * may be reaped by others (httpd reaps whatever child of its ends).
 */

/** Starts watchdog and pool process, and waits until they are up. Nothing is left of them when it
 *  throws.
 *  @throws SystemException, IOException (the log file cannot be opened; the agent ended),
 *  SpawnException (the spawn server does not start), boost::thread_resource_error (a thread of the
 *  agent could not be made) */
StartedAgent startAgent(const AgentSettings &settings);

/** Starts another agent for one that has died: for those who have its connectSocket, who wait for
 *  it meanwhile. Takes the handle's descriptors over where it succeeds. @throws as startAgent() */
StartedAgent replaceAgent(AgentHandle &dead, const AgentSettings &settings);

/** No agent will come: whoever asks for one on the connectSocket learns at once that it is gone.
 *  Closes the serverSocket. */
void refuseAgentsUsers(AgentHandle &handle) noexcept;

/** Ends the agent with all its instances, waits until they are gone, and closes the handle's
 *  descriptors. Idempotent. */
void stopAgent(AgentHandle &handle) noexcept;

/** Lets the agent work for those who have its connectSocket, in other processes, until the last of
 *  them has closed it or ended; then it ends by itself. Closes the handle's descriptors. */
void letGoOfAgent(AgentHandle &handle) noexcept;

/** Sends new settings, with the log file opened anew. False when the agent is gone. @throws
 *  IOException (the log file cannot be opened) */
bool updateAgent(const AgentHandle &handle, const AgentSettings &settings);

/** Whether the watchdog still runs. */
bool agentAlive(const AgentHandle &handle) noexcept;

}  // namespace Passenger
