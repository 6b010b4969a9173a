#include "client/ApplicationPoolServer.h"

#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <utility>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "client/PoolClient.h"

namespace Passenger {

namespace {

AgentSettings settingsFor(const std::string &spawnServerCommand, const std::string &logFile,
                          const std::string &environment, const std::string &rubyCommand, const std::string &user) {
    AgentSettings settings;
    settings.spawnServerCommand = spawnServerCommand;
    settings.logFile = logFile;
    settings.environment = environment;
    settings.rubyCommand = rubyCommand;
    settings.user = user;
    settings.obeysUsers = true;
    return settings;
}

}  // namespace

ApplicationPoolServer::ApplicationPoolServer(const std::string &spawnServerCommand, const std::string &logFile,
                                             const std::string &environment, const std::string &rubyCommand,
                                             const std::string &user) {
    auto settings = settingsFor(spawnServerCommand, logFile, environment, rubyCommand, user);
    if (environment.empty()) {
        // An empty name stands for the value of RAILS_ENV, as in Passenger 1.0.
        const char *variable = std::getenv("RAILS_ENV");
        settings.environment = variable != nullptr ? variable : "production";
    }
    start(settings);
}

ApplicationPoolServer::ApplicationPoolServer(const AgentSettings &settings) {
    start(settings);
}

ApplicationPoolServer::ApplicationPoolServer(const Handle &handle) : handle_(handle) {}

ApplicationPoolServer::~ApplicationPoolServer() {
    {
        const LockGuard lock(mutex_);
        abandonInherited();
        client_.reset();
    }
    if (isOwner()) {
        stopAgent(handle_);
    } else {
        letGoOfAgent(handle_);
    }
}

void ApplicationPoolServer::start(const AgentSettings &settings) {
    auto started = startAgent(settings);
    handle_ = started.handle;
    warning_ = std::move(started.warning);
}

ApplicationPoolPtr ApplicationPoolServer::connect() {
    return client()->newPool();
}

FileDescriptor ApplicationPoolServer::connectControl(std::optional<std::chrono::milliseconds> limit) {
    return client()->connectControl(limit);
}

/** This process's; made if there is none. */
std::shared_ptr<PoolClient> ApplicationPoolServer::client() {
    const LockGuard lock(mutex_);
    if (handle_.connectSocket < 0) {
        throw IOException("This ApplicationPoolServer was detached or released");
    }
    if (clientPid_ != ::getpid()) {
        abandonInherited();
        client_ = std::make_shared<PoolClient>(handle_.connectSocket, handle_.absenceView);
        clientPid_ = ::getpid();
    }
    return client_;
}

void ApplicationPoolServer::detach() {
    const LockGuard lock(mutex_);
    abandonInherited();
    client_.reset();
    letGoOfAgent(handle_);
}

void ApplicationPoolServer::disown() {
    disownAgent(handle_);
}

/** Nothing: this process has not connected. */
std::shared_ptr<PoolClient> ApplicationPoolServer::ownClient() {
    const LockGuard lock(mutex_);
    return clientPid_ == ::getpid() ? client_ : nullptr;
}

void ApplicationPoolServer::trim() {
    if (const std::shared_ptr<PoolClient> client = ownClient()) {
        client->trim();
    }
}

void ApplicationPoolServer::closeIdle() {
    if (const std::shared_ptr<PoolClient> client = ownClient()) {
        client->closeIdle();
    }
}

bool ApplicationPoolServer::awaitShortage(std::chrono::nanoseconds time) {
    if (const std::shared_ptr<PoolClient> client = ownClient()) {
        return client->awaitShortage(time);
    }
    std::this_thread::sleep_for(time);
    return false;
}

void ApplicationPoolServer::ending(bool gracefully) {
    if (const std::shared_ptr<PoolClient> client = ownClient()) {
        client->ending(gracefully);
    }
}

AgentUpdate ApplicationPoolServer::update(const AgentSettings &settings) {
    return updateAgent(handle_, settings);
}

bool ApplicationPoolServer::alive() const {
    return agentAlive(handle_);
}

bool ApplicationPoolServer::cutOff() const {
    return agentCutOff(handle_);
}

void ApplicationPoolServer::replace(const AgentSettings &settings) {
    auto started = replaceAgent(handle_, settings);
    handle_ = started.handle;
    warning_ = std::move(started.warning);
}

void ApplicationPoolServer::refuseUsers() {
    refuseAgentsUsers(handle_);
}

void ApplicationPoolServer::letGo() {
    letGoOfAgent(handle_);
}

ApplicationPoolServer::Handle ApplicationPoolServer::release() {
    return std::exchange(handle_, Handle());
}

/** A forked process inherits a client whose sockets the parent uses. The client is not destroyed
 *  here, since that could end exchanges of the parent. */
void ApplicationPoolServer::abandonInherited() {
    if (client_ != nullptr && clientPid_ != ::getpid()) {
        static_cast<void>(new std::shared_ptr<PoolClient>(std::move(client_)));
    }
}

bool ApplicationPoolServer::isOwner() const noexcept {
    return handle_.ownerPid == ::getpid();
}

}  // namespace Passenger
