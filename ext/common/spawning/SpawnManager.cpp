#include "spawning/SpawnManager.h"

#include <exception>
#include <optional>

#include "base/Exceptions.h"
#include "base/SystemUserDatabase.h"
#include "log/Log.h"
#include "rights/Rights.h"
#include "spawning/UserSpawnServer.h"

namespace Passenger {

namespace {

constexpr const char *ROOT = "root";

/** Whether all processes run as the same user. "root" only asks for a change of users. */
bool hasOneUser(const SpawnSettings &settings) {
    return !settings.user.empty() && settings.user != ROOT;
}

/** Applications name their group. Empty if the user is unknown: the start then fails. */
std::string primaryGroupOf(const std::string &name) {
    const SystemUserDatabase database;
    const auto user = database.userNamed(name);
    const auto group = user ? database.groupWithId(user->gid) : std::nullopt;
    return group ? group->name : "";
}

}  // namespace

SpawnManager::SpawnManager(EventLoop &loop, Settings settings)
    : loop_(loop), settings_(std::move(settings)), pid_(std::make_shared<std::atomic<pid_t>>(0)) {}

SpawnManager::~SpawnManager() = default;

void SpawnManager::ensureStarted() {
    const Settings settings = this->settings();
    if (!Rights::ofThisProcess().switchesUsers()) {
        serverOf("", "")->ensureStarted(settings);
    } else if (hasOneUser(settings)) {
        serverOf(settings.user, "")->ensureStarted(settings);
    } else {
        serverOf(settings.defaultUser, primaryGroupOf(settings.defaultUser))->ensureStarted(settings);
    }
}

StartedProcess SpawnManager::start(const StartRequest &request, Deadline deadline) {
    const Settings settings = this->settings();
    for (const auto &[identity, server] : servers()) {
        server->tidy();
    }
    if (!Rights::ofThisProcess().switchesUsers()) {
        return serverOf("", "")->start(settings, request, deadline);
    }
    if (hasOneUser(settings)) {
        return serverOf(settings.user, "")->start(settings, request, deadline);
    }
    if (request.user.empty() || request.user == ROOT) {
        throw SpawnException("no application runs as root: set PassengerUser or PassengerDefaultUser to another user");
    }
    return serverOf(request.user, request.group)->start(settings, request, deadline);
}

void SpawnManager::configure(Settings settings) {
    {
        LockGuard guard(mutex_);
        if (settings == settings_) {
            return;
        }
        settings_ = std::move(settings);
    }
    for (const auto &[identity, server] : servers()) {
        server->end();
    }
}

pid_t SpawnManager::spawnServerPid() const noexcept {
    return pid_->load(std::memory_order_relaxed);
}

bool SpawnManager::canSwitchUsers() const {
    if (!Rights::ofThisProcess().switchesUsers()) {
        return false;
    }
    LockGuard guard(mutex_);
    return !hasOneUser(settings_);
}

void SpawnManager::removeSocketFolders(pid_t bridge) const {
    try {
        Rights::ofThisProcess().removeSocketFolders(settings().spawnDir, bridge);
    } catch (const std::exception &error) {
        Log::warn("event=spawn_dir.not_cleaned error=\"{}\"", error.what());
    }
}

SpawnManager::Settings SpawnManager::settings() const {
    const LockGuard guard(mutex_);
    return settings_;
}

SpawnManager::Servers SpawnManager::servers() const {
    const LockGuard guard(mutex_);
    return servers_;
}

std::shared_ptr<UserSpawnServer> SpawnManager::serverOf(const std::string &user, const std::string &group) {
    const LockGuard guard(mutex_);
    auto &server = servers_[{user, group}];
    if (!server) {
        server = std::make_shared<UserSpawnServer>(loop_, user, group, pid_);
    }
    return server;
}

}  // namespace Passenger
