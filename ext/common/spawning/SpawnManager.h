#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/Mutex.h"
#include "loop/EventLoop.h"
#include "spawning/SpawnSettings.h"
#include "spawning/StartRequest.h"
#include "spawning/StartedProcess.h"

namespace Passenger {

class UserSpawnServer;

/**
 * Starts processes by Ruby spawn servers. No Ruby runs as root. Each user and group of applications
 * has a spawn server of its own, which is started when it is first needed.
 *
 * Owned by the engine, outlives all Spawners. Thread-safe: a spawn server serves the requests of
 * several threads one at a time. All methods but spawnServerPid() may block, so only background
 * threads call them, while the event loop runs. The destructor ends the spawn servers; the
 * processes that they started continue.
 *
 * A spawn server has no PDEATHSIG: that would depend on the thread that happened to start it. It
 * ends when its control socket does, so it ends with this process. It also ends when it has had no
 * process for some minutes.
 */
class SpawnManager {
public:
    using Deadline = std::chrono::steady_clock::time_point;
    using Settings = SpawnSettings;

    /** Starts no spawn server. */
    SpawnManager(EventLoop &loop, Settings settings);
    ~SpawnManager();
    SpawnManager(const SpawnManager &) = delete;
    SpawnManager &operator=(const SpawnManager &) = delete;

    /**
     * Starts a spawn server unless it runs, to find out whether Ruby works.
     * @throws SpawnException, SystemException (Ruby, or as root the agent's program, cannot be
     *     executed)
     */
    void ensureStarted() EXCLUDES(mutex_);

    /**
     * Starts a process. If the user's spawn server has died, it is restarted once.
     * @throws SpawnException and StartRefused, SystemException (Ruby, or as root the agent's
     *     program, cannot be executed), TimeoutException, IOException (the spawn server died twice)
     */
    StartedProcess start(const StartRequest &request, Deadline deadline) EXCLUDES(mutex_);

    /**
     * Sets new settings. If they differ, the spawn servers are ended, and the next requests start
     * others.
     */
    void configure(Settings settings) EXCLUDES(mutex_);

    /** The spawn server that was started last; 0 if it has ended. Never blocks; from any thread. */
    pid_t spawnServerPid() const noexcept;
    /** Whether each application can run as its own user: the agent runs as root, and no user is set
     *  for all. */
    bool canSwitchUsers() const EXCLUDES(mutex_);
    Settings settings() const EXCLUDES(mutex_);
    /** @param bridge the process whose folders they are; 0: all that no process has */
    void removeSocketFolders(pid_t bridge) const EXCLUDES(mutex_);

private:
    /** By user and group. */
    using Servers = std::map<std::pair<std::string, std::string>, std::shared_ptr<UserSpawnServer>>;

    std::shared_ptr<UserSpawnServer> serverOf(const std::string &user, const std::string &group) EXCLUDES(mutex_);
    Servers servers() const EXCLUDES(mutex_);

    EventLoop &loop_;
    mutable Mutex mutex_{Locks::SPAWN_MANAGER};
    Settings settings_ GUARDED_BY(mutex_);
    const std::shared_ptr<std::atomic<pid_t>> pid_;
    Servers servers_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
