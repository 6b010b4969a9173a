#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/Mutex.h"
#include "client/AgentControl.h"
#include "exchange/ApplicationPool.h"
#include "io/AgentSettings.h"

namespace Passenger {

class PoolClient;

/**
 * The handle of a pool that several processes share, with the interface of Phusion Passenger 1.0
 * (doc/ORIGINS.md). The constructor starts the agent (anchor, watchdog, pool process, spawn
 * server); processes forked afterwards call connect() and get an ApplicationPool. The agent opens
 * no port and accepts requests only over inherited descriptors. With
 * AgentSettings::instanceRegistryDir there is one named socket, `control`: it takes orders of
 * commands, and no request.
 *
 * Owned by the process that made it. When that process ends in any way, the agent ends, too. The
 * destructor ends the agent with all instances and waits for their end, except after detach() or
 * release(). No threads. Not thread-safe, unless a function says so.
 */
class ApplicationPoolServer {
public:
    /** Plain data that stays when the owner's code is unloaded, as in a reload of httpd. */
    using Handle = AgentHandle;

    /** @throws SystemException, IOException (the log file cannot be opened), SpawnException (the
     *  spawn server does not start), boost::thread_resource_error (a thread of the agent could not
     *  be made) */
    explicit ApplicationPoolServer(const std::string &spawnServerCommand, const std::string &logFile = "",
                                   const std::string &environment = "production",
                                   const std::string &rubyCommand = "ruby", const std::string &user = "");
    explicit ApplicationPoolServer(const AgentSettings &settings);
    /** Takes over a server that release() left behind, or one without an agent
     *  (makeAgentHandle()), which replace() starts. */
    explicit ApplicationPoolServer(const Handle &handle);
    ~ApplicationPoolServer();
    ApplicationPoolServer(const ApplicationPoolServer &) = delete;
    ApplicationPoolServer &operator=(const ApplicationPoolServer &) = delete;

    /** A pool for this process. Call it several times to have several sessions at once.
     *  Thread-safe.
     *  @throws SystemException, IOException (the agent does not answer) */
    ApplicationPoolPtr connect() EXCLUDES(mutex_);
    /** A connection on which the agent tells its status (ControlClient). Thread-safe.
     *  @param limit for a caller that waits less long for an agent that does not answer
     *  @throws as connect(); RefusedException (the agent takes no further connection now) */
    FileDescriptor connectControl(std::optional<std::chrono::milliseconds> limit = std::nullopt) EXCLUDES(mutex_);

    /** For forked processes that use the server but do not own it: closes the descriptors that only
     *  the owner needs. Called once, never in the owner. Connected pools stay usable. Afterwards
     *  connect() fails. */
    void detach() EXCLUDES(mutex_);
    /** For a forked process that calls connect() later: as detach(), but connect() still works. */
    void disown();

    /** Closes the channels of this process beyond the most that its sessions used at once since the
     *  last call. Thread-safe. */
    void trim() EXCLUDES(mutex_);
    /** Closes all channels that no session uses: the agent has asked for them. Thread-safe. */
    void closeIdle() EXCLUDES(mutex_);
    /** Waits until the agent asks for unused channels, for this time at most. One thread of the
     *  process calls it. @return whether the agent has asked */
    bool awaitShortage(std::chrono::nanoseconds time) EXCLUDES(mutex_);
    /** This process is about to end. Gracefully: requests wait for an instance for a minute at
     *  most, or up to a shorter limit. Otherwise all sessions end at once, and further sessions are
     *  refused. Thread-safe. */
    void ending(bool gracefully) EXCLUDES(mutex_);

    /** Gives new settings and a newly opened log file to the running agent, as updateAgent().
     *  @throws IOException (the log file cannot be opened; nothing has changed then) */
    AgentUpdate update(const AgentSettings &settings);
    /** 0: the agent has not started. */
    pid_t anchorPid() const noexcept { return handle_.anchorPid; }
    /** Whether the agent's anchor still runs. */
    bool alive() const;
    /** See agentCutOff(). */
    bool cutOff() const;
    /** Starts another agent in place of a dead one, or the first one. Processes that were forked
     *  before wait for it, and then use it.
     *  @throws as the constructor; then a further call may try again */
    void replace(const AgentSettings &settings);
    /** No agent starts soon: until the next replace() succeeds, connect() and questions to the
     *  agent fail at once, in all processes. */
    void refuseUsers();
    /** Releases the agent, which works for processes that were forked before until the last of them
     *  has ended. */
    void letGo();
    /** Leaves the agent running; another object can take over the handle. */
    Handle release();

    /** The agent's message at its start, for the server's log; mostly empty. */
    const std::string &warning() const noexcept { return warning_; }

private:
    void start(const AgentSettings &settings);
    void abandonInherited() REQUIRES(mutex_);
    std::shared_ptr<PoolClient> ownClient() EXCLUDES(mutex_);
    std::shared_ptr<PoolClient> client() EXCLUDES(mutex_);
    bool isOwner() const noexcept;

    Handle handle_;
    std::string warning_;
    Mutex mutex_{Locks::APPLICATION_POOL_SERVER};
    std::shared_ptr<PoolClient> client_ GUARDED_BY(mutex_);
    /** The process of client_; a forked process makes a client of its own. */
    pid_t clientPid_ GUARDED_BY(mutex_) = 0;
};

}  // namespace Passenger
