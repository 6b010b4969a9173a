#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "io/Frame.h"
#include "loop/EventLoop.h"
#include "spawning/BootGuard.h"
#include "spawning/ExclusiveTurn.h"

namespace Passenger {

class SpawnServer;

/** A request to the spawn server to start a process. */
struct StartRequest {
    enum class Role { PRELOADER, INSTANCE, BRIDGE };

    Role role = Role::INSTANCE;
    /** The Ruby to execute; for a BRIDGE, passenger-agent. */
    std::string program = "ruby";
    /** Empty: the spawn server's user. */
    std::string user;
    std::string group;
    /**
     * Start by the user's login shell, so that it reads the profile. Only for shells that the spawn
     * server knows.
     */
    bool loginShell = false;
    /** The new process's environment, in addition to the spawn server's own. */
    std::map<std::string, std::string> environment;
};

/** A finished step of the spawn server, and its duration. */
struct SpawnServerStep {
    std::string name;
    std::chrono::milliseconds duration{0};
};

/**
 * The spawn server could not start a process. Tells the failed step and the finished steps before
 * it.
 */
class StartRefused : public SpawnException {
public:
    StartRefused(const std::string &why, std::string step, std::vector<SpawnServerStep> done)
        : SpawnException(why), step_(std::move(step)), done_(std::move(done)) {}

    const std::string &step() const noexcept {
        return step_;
    }
    const std::vector<SpawnServerStep> &done() const noexcept {
        return done_;
    }

private:
    std::string step_;
    std::vector<SpawnServerStep> done_;
};

/** A process that the spawn server has started. */
struct StartedProcess {
    /** As told by the spawn server: a hint until the kernel confirms it. */
    pid_t pid = 0;
    /** The parent during the boot, as told by the spawn server. */
    pid_t parent = 0;
    /** Whether a login shell reads the user's profile first. */
    bool loginShell = false;
    /** The spawn server's user, as told by the kernel. */
    uid_t parentUid = 0;
    /** The agent's end of the control socket, with the senders' credentials. */
    FrameSocket control;
    /** The reading end of the process's output. */
    FileDescriptor output;
    /** The pipe on which the parent writes the wait status. */
    FileDescriptor waitStatus;
    /** Kills the process and all that it has started, until its boot has succeeded. */
    BootGuard boot;
    std::vector<SpawnServerStep> steps;
};

/**
 * The C++ side of the Ruby spawn server: starts it at its first use, sends requests, and restarts
 * it after its death.
 *
 * Owned by main(), outlives all Spawners. Thread-safe: requests of several threads are served one
 * at a time. All methods but spawnServerPid() may block, so only background threads call them,
 * while the event loop runs. The destructor ends the spawn server; the processes that it started
 * continue.
 *
 * The spawn server has no PDEATHSIG: that would depend on the thread that happened to start it. The
 * spawn server ends when its control socket does, so it ends with this process.
 */
class SpawnManager {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    struct Settings {
        /** The script: …/lib/passenger/spawn/spawn_server.rb. */
        std::string spawnServerCommand;
        std::string rubyCommand = "ruby";
        /**
         * The user of the spawn server if the agent runs as root. Empty: root. Only a spawn server
         * that runs as root can switch users.
         */
        std::string user;
        /** passenger-agent: the program of bridges. */
        std::string bridgeCommand = "passenger-agent";
        /** The folder in which bridges make the folders of their applications' sockets. */
        std::string spawnDir = "/tmp";

        bool operator==(const Settings &) const = default;
    };

    /** Does not start the spawn server. */
    SpawnManager(EventLoop &loop, Settings settings);
    ~SpawnManager();
    SpawnManager(const SpawnManager &) = delete;
    SpawnManager &operator=(const SpawnManager &) = delete;

    /**
     * Starts the spawn server unless it runs.
     * @throws SpawnException, SystemException (Ruby cannot be executed)
     */
    void ensureStarted() EXCLUDES(mutex_);

    /**
     * Starts a process. If the spawn server has died, it is restarted once.
     * @throws SpawnException and StartRefused, SystemException (Ruby cannot be executed),
     *     TimeoutException, IOException (the spawn server died twice)
     */
    StartedProcess start(const StartRequest &request, Deadline deadline) EXCLUDES(mutex_);

    /**
     * Sets new settings. If they differ, the spawn server is ended, and the next request starts
     * another one.
     */
    void configure(Settings settings) EXCLUDES(mutex_);

    /** 0 if there is no spawn server. Never blocks; from any thread. */
    pid_t spawnServerPid() const noexcept;
    /**
     * Whether new processes can run as another user: the agent and the spawn server run as root.
     */
    bool canSwitchUsers() const EXCLUDES(mutex_);
    /** The user of new processes if users cannot be switched; empty: the agent's user. */
    std::string user() const EXCLUDES(mutex_);
    std::string bridgeCommand() const EXCLUDES(mutex_);
    std::string spawnDir() const EXCLUDES(mutex_);

private:
    SpawnServer &runningServer(Deadline deadline) EXCLUDES(mutex_);
    void dropServer();

    EventLoop &loop_;
    mutable Mutex mutex_{Locks::SPAWN_MANAGER};
    Settings settings_ GUARDED_BY(mutex_);
    /** Shared with the server's watcher, which may notice its end later. */
    const std::shared_ptr<std::atomic<pid_t>> pid_;
    /** The right to use the spawn server. */
    ExclusiveTurn exclusive_;
    /** Used only by the thread that has the turn. */
    std::unique_ptr<SpawnServer> server_;
};

}  // namespace Passenger
