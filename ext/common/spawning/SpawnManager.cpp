#include "spawning/SpawnManager.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/Exceptions.h"
#include "log/Log.h"
#include "spawning/SpawnServer.h"
#include "spawning/UserDatabase.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

/**
 * The time from the start to HELLO. Most of it is the start of Ruby, on a machine that may be busy.
 */
constexpr auto HELLO_LIMIT = 30s;
/**
 * The time for one fork and exec. A spawn server that needs longer is broken and delays all
 * applications.
 */
constexpr auto START_LIMIT = 15s;

}  // namespace

SpawnManager::SpawnManager(EventLoop &loop, Settings settings)
    : loop_(loop), settings_(std::move(settings)), pid_(std::make_shared<std::atomic<pid_t>>(0)) {}

SpawnManager::~SpawnManager() = default;

void SpawnManager::ensureStarted() {
    const Deadline deadline = std::chrono::steady_clock::now() + HELLO_LIMIT;
    const ExclusiveTurn::Turn turn(exclusive_, deadline);
    runningServer(deadline);
}

StartedProcess SpawnManager::start(const StartRequest &request, Deadline deadline) {
    const ExclusiveTurn::Turn turn(exclusive_, deadline);
    for (bool again = false;; again = true) {
        auto &server = runningServer(deadline);
        try {
            return server.start(request, std::min(deadline, std::chrono::steady_clock::now() + START_LIMIT));
        } catch (const SpawnException &) {
            throw;
        } catch (const TimeoutException &) {
            Log::error("event=spawn_server.hangs pid={} note=\"the agent ends it\"", spawnServerPid());
            dropServer();
            throw;
        } catch (const std::exception &e) {
            // The spawn server may have started the process before it died. That process finds its
            // control socket closed and ends.
            Log::warn("event=spawn_server.lost error=\"{}\"", e.what());
            dropServer();
            if (again) {
                throw;
            }
        }
    }
}

void SpawnManager::configure(Settings settings) {
    const ExclusiveTurn::Turn turn(exclusive_, Deadline::max());
    {
        LockGuard guard(mutex_);
        if (settings == settings_) {
            return;
        }
        settings_ = std::move(settings);
    }
    dropServer();
}

pid_t SpawnManager::spawnServerPid() const noexcept {
    return pid_->load(std::memory_order_relaxed);
}

bool SpawnManager::canSwitchUsers() const {
    if (::geteuid() != 0) {
        return false;
    }
    LockGuard guard(mutex_);
    return settings_.user.empty() || settings_.user == "root";
}

std::string SpawnManager::user() const {
    const LockGuard guard(mutex_);
    return settings_.user;
}

std::string SpawnManager::bridgeCommand() const {
    const LockGuard guard(mutex_);
    return settings_.bridgeCommand;
}

std::string SpawnManager::spawnDir() const {
    const LockGuard guard(mutex_);
    return settings_.spawnDir;
}

SpawnServer &SpawnManager::runningServer(Deadline deadline) {
    if (server_ && !server_->alive()) {
        dropServer();
    }
    if (!server_) {
        Settings settings;
        {
            LockGuard guard(mutex_);
            settings = settings_;
        }
        server_ = std::make_unique<SpawnServer>(loop_, settings, pid_,
                                                std::min(deadline, std::chrono::steady_clock::now() + HELLO_LIMIT));
    }
    return *server_;
}

void SpawnManager::dropServer() {
    server_.reset();
}

}  // namespace Passenger
