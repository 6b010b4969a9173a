#include "spawning/UserSpawnServer.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/Exceptions.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

/**
 * The time from the start to HELLO. Most of it is the start of Ruby, on a machine that may be busy.
 */
constexpr auto HELLO_LIMIT = 30s;
/**
 * The time for one fork and exec. A spawn server that needs longer is broken and delays all
 * applications of its user.
 */
constexpr auto START_LIMIT = 15s;

UserSpawnServer::Deadline in(std::chrono::seconds time) {
    return std::chrono::steady_clock::now() + time;
}

}  // namespace

UserSpawnServer::UserSpawnServer(EventLoop &loop, std::string user, std::string group,
                                 std::shared_ptr<std::atomic<pid_t>> pid, AccountLookup lookUp)
    : loop_(loop), user_(std::move(user)), group_(std::move(group)), pid_(std::move(pid)), lookUp_(std::move(lookUp)) {}

void UserSpawnServer::ensureStarted(const SpawnSettings &settings) {
    const Deadline deadline = in(HELLO_LIMIT);
    const ExclusiveTurn::Turn turn(exclusive_, deadline);
    running(settings, {}, deadline);
}

StartedProcess UserSpawnServer::start(const SpawnSettings &settings, const StartRequest &request, Deadline deadline) {
    const ExclusiveTurn::Turn turn(exclusive_, deadline);
    for (bool again = false;; again = true) {
        auto &server = running(settings, request.userOptions, deadline);
        try {
            return server.start(request, std::min(deadline, in(START_LIMIT)));
        } catch (const SpawnException &) {
            throw;
        } catch (const TimeoutException &) {
            Log::error("event=spawn_server.hangs pid={} note=\"the agent ends it\"", server.pid());
            server_.reset();
            throw;
        } catch (const std::exception &e) {
            // The spawn server may have started the process before it died. That process finds its
            // control socket closed and ends.
            if (!server.endedIdle()) {
                Log::warn("event=spawn_server.lost error=\"{}\"", e.what());
            }
            server_.reset();
            if (again) {
                throw;
            }
        }
    }
}

void UserSpawnServer::end() {
    const ExclusiveTurn::Turn turn(exclusive_, Deadline::max());
    server_.reset();
}

void UserSpawnServer::tidy() {
    try {
        const ExclusiveTurn::Turn turn(exclusive_, std::chrono::steady_clock::now());
        if (server_ && !server_->alive()) {
            server_.reset();
        }
    } catch (const TimeoutException &) {
        // The thread that has the turn frees it.
    }
}

/** Unknown data are no change. A user that no longer exists is refused before. */
void UserSpawnServer::endOutdated(const std::optional<ServerAccount> &account) {
    if (server_ && account && account != account_) {
        Log::notice(
            "event=spawn_server.replaced pid={} user=\"{}\" reason=\"the ids, groups, home or shell of the user have "
            "changed\"",
            server_->pid(), account->user.name);
        server_.reset();
    }
}

SpawnServer &UserSpawnServer::running(const SpawnSettings &settings, const Options::Variables &userOptions,
                                      Deadline deadline) {
    if (server_ && !server_->alive()) {
        server_.reset();
    }
    auto account = lookUp_(user_, group_);
    endOutdated(account);
    if (!server_) {
        account_ = std::move(account);
        server_ = std::make_unique<SpawnServer>(loop_, settings, SpawnServer::Identity{user_, group_, userOptions},
                                                pid_, std::min(deadline, in(HELLO_LIMIT)));
    }
    return *server_;
}

}  // namespace Passenger
