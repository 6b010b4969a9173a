#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "base/Mutex.h"
#include "client/AgentControl.h"
#include "exchange/ApplicationPool.h"
#include "io/AgentSettings.h"

namespace Passenger {

class PoolClient;

/**
 * The handle of a pool that several processes share, with the interface of Phusion Passenger 1.0
 * (doc/ORIGINS.md). The constructor starts the agent (watchdog, pool process, spawn server);
 * processes forked afterwards call connect() and get an ApplicationPool. The agent opens no port
 * and accepts requests only over inherited descriptors. With AgentSettings::instanceRegistryDir
 * there is one named socket, `control`: it lists the instances' pids for root and the agent's user,
 * and takes no request.
 *
 * Owned by the process that made it, whose end (however it ends) is the agent's end too. The
 * destructor ends the agent with all instances and waits for it, except after detach() or
 * release(). No threads; not thread-safe but for connect().
 */
class ApplicationPoolServer {
public:
    /** What is left of a server when its owner's code is unloaded: plain data, kept over httpd's
     *  reloads. */
    using Handle = AgentHandle;

    /** @throws SystemException, IOException (the log file cannot be opened), SpawnException (the
     *  spawn server does not start), boost::thread_resource_error (a thread of the agent could not
     *  be made) */
    explicit ApplicationPoolServer(const std::string &spawnServerCommand, const std::string &logFile = "",
                                   const std::string &environment = "production",
                                   const std::string &rubyCommand = "ruby", const std::string &user = "");
    explicit ApplicationPoolServer(const AgentSettings &settings);
    /** Takes over a server that release() left behind. */
    explicit ApplicationPoolServer(const Handle &handle);
    ~ApplicationPoolServer();
    ApplicationPoolServer(const ApplicationPoolServer &) = delete;
    ApplicationPoolServer &operator=(const ApplicationPoolServer &) = delete;

    /** A pool for this process. Call it several times to have several sessions at once.
     *  Thread-safe.
     *  @throws SystemException, IOException (the agent does not answer) */
    ApplicationPoolPtr connect() EXCLUDES(mutex_);

    /** For forked processes that use the server but do not own it: closes what only the owner
     *  needs. Once, never in the owner. Pools that were connected stay usable, and may be connected
     *  before it only. */
    void detach() EXCLUDES(mutex_);
    /** For a forked process that goes on connecting: as detach(), but connect() still works. */
    void disown();

    /** Closes what this process has not needed since the last call: channels beyond the most that
     *  its sessions used at once. Thread-safe. */
    void trim() EXCLUDES(mutex_);
    /** This process is about to end. Gracefully: requests wait no longer than a minute for an
     *  instance, where no limit ends their waiting before. Else all sessions end at once, and
     *  others are refused. Thread-safe. */
    void ending(bool gracefully) EXCLUDES(mutex_);

    /** Gives new settings (and a newly opened log file) to the running agent. False when it is
     *  gone.
     *  @throws IOException (the log file cannot be opened; nothing has changed then) */
    bool update(const AgentSettings &settings);
    pid_t watchdogPid() const noexcept {
        return handle_.watchdogPid;
    }
    /** Whether the agent's watchdog still runs. */
    bool alive() const;
    /** Starts another agent in place of one that has died; those that were forked before find it by
     *  themselves, and wait for it meanwhile.
     *  @throws as the constructor */
    void replace(const AgentSettings &settings);
    /** Another one will not come (so soon): who waits for it learns that it is gone. After this it
     *  is not replaceable(). */
    void refuseUsers();
    bool replaceable() const noexcept {
        return handle_.serverSocket >= 0;
    }
    /** Lets the agent work for processes that were forked before, until the last of them has ended,
     *  and forgets it. */
    void letGo();
    /** Leaves the agent running and forgets it; a new object can take the handle over. */
    Handle release();

    /** What the agent had to say when it was started, for the server's log; mostly empty. */
    const std::string &warning() const noexcept {
        return warning_;
    }

private:
    void start(const AgentSettings &settings);
    void abandonInherited() REQUIRES(mutex_);
    std::shared_ptr<PoolClient> ownClient() EXCLUDES(mutex_);
    bool isOwner() const noexcept;

    Handle handle_;
    std::string warning_;
    Mutex mutex_{Locks::APPLICATION_POOL_SERVER};
    std::shared_ptr<PoolClient> client_ GUARDED_BY(mutex_);
    /** Whose client_ it is: a forked process makes its own. */
    pid_t clientPid_ GUARDED_BY(mutex_) = 0;
};

}  // namespace Passenger
