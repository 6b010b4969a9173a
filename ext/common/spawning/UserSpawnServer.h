#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "exchange/Options.h"
#include "loop/EventLoop.h"
#include "spawning/ExclusiveTurn.h"
#include "spawning/ServerAccount.h"
#include "spawning/SpawnServer.h"
#include "spawning/SpawnSettings.h"
#include "spawning/StartRequest.h"
#include "spawning/StartedProcess.h"

namespace Passenger {

/**
 * The spawn server of one user and group: started at its first use, and again after its death or
 * after a change of the user's data, such as the user's groups or home.
 *
 * Owned by SpawnManager. Thread-safe: requests of several threads are served one at a time. The
 * methods may block, so only background threads call them, while the event loop runs. The
 * destructor ends the spawn server; the processes that it started continue.
 */
class UserSpawnServer {
public:
    using Deadline = std::chrono::steady_clock::time_point;
    using AccountLookup =
        std::function<std::optional<ServerAccount>(const std::string &user, const std::string &group)>;

    /**
     * @param user empty: the agent's user. `group` empty: the user's primary group
     * @param pid the pid of the spawn server that was started last, of any user
     * @param lookUp called in the thread that has the turn
     */
    UserSpawnServer(EventLoop &loop, std::string user, std::string group, std::shared_ptr<std::atomic<pid_t>> pid,
                    AccountLookup lookUp = ServerAccount::of);

    /** Starts the spawn server unless it runs. Throws as SpawnManager::ensureStarted(). */
    void ensureStarted(const SpawnSettings &settings);
    /** Starts a process. Throws as SpawnManager::start(). */
    StartedProcess start(const SpawnSettings &settings, const StartRequest &request, Deadline deadline);
    /** Ends the spawn server. Waits for the requests that it serves. */
    void end();
    /** Frees what belongs to a spawn server that has ended, unless a thread uses it. */
    void tidy();

private:
    void endOutdated(const std::optional<ServerAccount> &account);
    SpawnServer &running(const SpawnSettings &settings, const Options::Variables &userOptions, Deadline deadline);

    EventLoop &loop_;
    const std::string user_;
    const std::string group_;
    const std::shared_ptr<std::atomic<pid_t>> pid_;
    const AccountLookup lookUp_;
    /** The right to use the spawn server. */
    ExclusiveTurn exclusive_;
    /** Used only by the thread that has the turn. */
    std::unique_ptr<SpawnServer> server_;
    /** At the start of the spawn server. */
    std::optional<ServerAccount> account_;
};

}  // namespace Passenger
