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

/** What the spawn server shall start. */
struct StartRequest {
    enum class Role { PRELOADER, INSTANCE, BRIDGE };

    Role role = Role::INSTANCE;
    /** The Ruby that runs it; of a BRIDGE, passenger-agent. */
    std::string program = "ruby";
    /** Empty: as the spawn server. */
    std::string user;
    std::string group;
    /** By the user's login shell, so that the profile is read, if it is one that the spawn server knows. */
    bool loginShell = false;
    /** The new process's environment, besides what the spawn server has itself. */
    std::map<std::string, std::string> environment;
};

/** A step that the spawn server has done, and how long it took. */
struct SpawnServerStep {
    std::string name;
    std::chrono::milliseconds duration{0};
};

/** The spawn server could not start a process: it says at which step, and what it had done before. */
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
    /** As the spawn server says: a hint, until the kernel has confirmed it. */
    pid_t pid = 0;
    /** While it boots; as the spawn server says. */
    pid_t parent = 0;
    /** Whether a login shell reads the user's profile first. */
    bool loginShell = false;
    /** The spawn server's user, as the kernel knows it. */
    uid_t parentUid = 0;
    /** Our end of its control socket; says who sends. */
    FrameSocket control;
    /** Reading end of its output. */
    FileDescriptor output;
    /** Where its parent tells how it ended. */
    FileDescriptor waitStatus;
    /** Ends it, and all that it starts, until its boot has succeeded. */
    BootGuard boot;
    std::vector<SpawnServerStep> steps;
};

/**
 * The C++ side of the Ruby spawn server: starts it when it is first needed, talks to it, starts it again when it died.
 *
 * Owned by main(), outlives all Spawners. Thread-safe: requests of several threads are served one at a time. All
 * methods but spawnServerPid() may block, so they are called in background threads only, while the event loop runs. The
 * destructor ends the spawn server; what it started lives on.
 *
 * The spawn server has no PDEATHSIG, which would follow the life of whichever thread happened to start it. It ends by
 * itself when its control socket does, that is, with this process.
 */
class SpawnManager {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    struct Settings {
        /** The script: …/lib/passenger/spawn/spawn_server.rb. */
        std::string spawnServerCommand;
        std::string rubyCommand = "ruby";
        /** Whom the spawn server runs as, where we are root. Empty: as we do; only then can it switch users. */
        std::string user;
        /** passenger-agent: the program of bridges. */
        std::string bridgeCommand = "passenger-agent";
        /** Where bridges make the folders of their applications' sockets. */
        std::string spawnDir = "/tmp";

        bool operator==(const Settings &) const = default;
    };

    /** Starts nothing yet. */
    SpawnManager(EventLoop &loop, Settings settings);
    ~SpawnManager();
    SpawnManager(const SpawnManager &) = delete;
    SpawnManager &operator=(const SpawnManager &) = delete;

    /** Starts the spawn server unless it runs. @throws SpawnException, SystemException (Ruby cannot be executed) */
    void ensureStarted() EXCLUDES(mutex_);

    /** Starts a process. A spawn server that died is started again for it, once.
     *  @throws SpawnException and StartRefused, SystemException (Ruby cannot be executed), TimeoutException, IOException
     * (the spawn server died twice) */
    StartedProcess start(const StartRequest &request, Deadline deadline) EXCLUDES(mutex_);

    /** New settings. If they differ, the spawn server is ended, and the next request starts another one. */
    void configure(Settings settings) EXCLUDES(mutex_);

    /** 0 while there is none. Never blocks; from any thread. */
    pid_t spawnServerPid() const noexcept;
    /** Whether new processes can run as another user than we do: we are root, and so is the spawn server. */
    bool canSwitchUsers() const EXCLUDES(mutex_);
    /** Whom new processes run as where we cannot; empty: as we do. */
    std::string user() const EXCLUDES(mutex_);
    std::string bridgeCommand() const EXCLUDES(mutex_);
    std::string spawnDir() const EXCLUDES(mutex_);

private:
    SpawnServer &runningServer(Deadline deadline) EXCLUDES(mutex_);
    void dropServer();

    EventLoop &loop_;
    mutable Mutex mutex_{Locks::SPAWN_MANAGER};
    Settings settings_ GUARDED_BY(mutex_);
    /** Shared with the server's watcher, which may see its end after we did. */
    const std::shared_ptr<std::atomic<pid_t>> pid_;
    /** Being the only one who talks to the spawn server. */
    ExclusiveTurn exclusive_;
    /** Touched only by who has the turn. */
    std::unique_ptr<SpawnServer> server_;
};

}  // namespace Passenger
