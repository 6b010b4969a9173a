#include "io/AgentSettings.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

using Map = std::map<std::string, std::string>;

[[noreturn]] void rejectValue(const char *key, const std::string &value) {
    throw ProtocolException(std::string("The setting ") + key + " cannot be \"" + value + "\"");
}

void read(const Map &map, const char *key, std::string &into) {
    if (const auto found = map.find(key); found != map.end()) {
        into = found->second;
    }
}

template <typename Number> void readNumber(const Map &map, const char *key, Number &into) {
    const auto found = map.find(key);
    if (found == map.end()) {
        return;
    }
    const auto &text = found->second;
    const char *const end = text.data() + text.size();
    Number number{};
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stopped != end) {
        rejectValue(key, text);
    }
    into = number;
}

void read(const Map &map, const char *key, std::chrono::seconds &into) {
    auto count = into.count();
    readNumber(map, key, count);
    if (count < 0) {
        rejectValue(key, std::to_string(count));
    }
    into = std::chrono::seconds(count);
}

void read(const Map &map, const char *key, bool &into) {
    unsigned number = into ? 1 : 0;
    readNumber(map, key, number);
    if (number > 1) {
        rejectValue(key, std::to_string(number));
    }
    into = number == 1;
}

void read(const Map &map, const char *key, SeccompMode &into) {
    const auto found = map.find(key);
    if (found == map.end()) {
        return;
    }
    const auto mode = seccompModeIn(found->second);
    if (!mode) {
        rejectValue(key, found->second);
    }
    into = *mode;
}

/** The path without its last part; "" if it has no slash. */
std::string folderOf(const std::string &path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace

std::string AgentSettings::preStartScript() const {
    return spawnServerCommand.substr(0, spawnServerCommand.rfind('/') + 1) + "pre_start.rb";
}

bool AgentSettings::logsToFile() const noexcept {
    return !logFile.empty() && !logFile.starts_with('|') && !LogTarget::isNamedBy(logFile);
}

FileDescriptor AgentSettings::openLogFile() const {
    // Without O_NONBLOCK a FIFO would hold the caller until somebody reads.
    constexpr int FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;
    FileDescriptor log(::open(logFile.c_str(), FLAGS, 0644));
    if (!log || ::fcntl(log.get(), F_SETFL, O_APPEND) != 0) {
        throw IOException("The log file " + logFile + " cannot be opened: " + std::strerror(errno));
    }
    return log;
}

std::string AgentSettings::agentProgram() const {
    if (!agentCommand.empty()) {
        return agentCommand;
    }
    // ROOT/lib/passenger/spawn/spawn_server.rb, ROOT/passenger-agent
    const auto root = folderOf(folderOf(folderOf(folderOf(spawnServerCommand))));
    if (!root.empty()) {
        auto beside = root + "/passenger-agent";
        if (::access(beside.c_str(), X_OK) == 0) {
            return beside;
        }
    }
    return PASSENGER_DEFAULT_ROOT "/passenger-agent";
}

Map AgentSettings::toMap() const {
    return {
        {"agent_command", agentCommand},
        {"agent_timeout", std::to_string(agentTimeout.count())},
        {"agent_user", agentUser},
        {"app_files", appFiles},
        {"default_group", defaultGroup},
        {"default_user", defaultUser},
        {"descriptor_log_file", descriptorLogFile},
        {"environment", environment},
        {"grants", grants},
        {"instance_registry_dir", instanceRegistryDir},
        {"log_file", logFile},
        {"log_format", logFormat},
        {"log_level", std::to_string(logLevel)},
        {"log_prefix", logPrefix ? "1" : "0"},
        {"max_app_idle_time", std::to_string(maxAppIdleTime.count())},
        {"max_child_apps", std::to_string(maxChildApps)},
        {"max_child_channels", std::to_string(maxChildChannels)},
        {"max_child_connections", std::to_string(maxChildConnections)},
        {"max_instances_per_app", std::to_string(maxInstancesPerApp)},
        {"max_pool_size", std::to_string(maxPoolSize)},
        {"memory_budget", std::to_string(memoryBudget)},
        {"on_event", onEvent},
        {"pool_idle_time", std::to_string(poolIdleTime.count())},
        {"pre_start", preStart},
        {"require_spawn_server", requireSpawnServer ? "1" : "0"},
        {"ruby_command", rubyCommand},
        {"seccomp", text(seccomp)},
        {"socket_backlog", std::to_string(socketBacklog)},
        {"spawn_dir", spawnDir},
        {"spawn_server_command", spawnServerCommand},
        {"stat_throttle_rate", std::to_string(statThrottleRate.count())},
        {"stop_timeout", std::to_string(stopTimeout.count())},
        {"update", update},
        {"user", user},
        {"user_switching", userSwitching ? "1" : "0"},
    };
}

AgentSettings AgentSettings::fromMap(const Map &map) {
    AgentSettings settings;
    read(map, "agent_command", settings.agentCommand);
    readNumber(map, AGENT_KILLS, settings.agentKills);
    read(map, "agent_timeout", settings.agentTimeout);
    read(map, "agent_user", settings.agentUser);
    read(map, "app_files", settings.appFiles);
    read(map, "default_group", settings.defaultGroup);
    read(map, "default_user", settings.defaultUser);
    read(map, "descriptor_log_file", settings.descriptorLogFile);
    read(map, "environment", settings.environment);
    read(map, "grants", settings.grants);
    read(map, "instance_registry_dir", settings.instanceRegistryDir);
    read(map, "log_file", settings.logFile);
    read(map, "log_format", settings.logFormat);
    readNumber(map, "log_level", settings.logLevel);
    read(map, "log_prefix", settings.logPrefix);
    read(map, "max_app_idle_time", settings.maxAppIdleTime);
    readNumber(map, "max_child_apps", settings.maxChildApps);
    readNumber(map, "max_child_channels", settings.maxChildChannels);
    readNumber(map, "max_child_connections", settings.maxChildConnections);
    readNumber(map, "max_instances_per_app", settings.maxInstancesPerApp);
    readNumber(map, "max_pool_size", settings.maxPoolSize);
    readNumber(map, "memory_budget", settings.memoryBudget);
    read(map, "on_event", settings.onEvent);
    read(map, "pool_idle_time", settings.poolIdleTime);
    read(map, "pre_start", settings.preStart);
    read(map, "require_spawn_server", settings.requireSpawnServer);
    read(map, "ruby_command", settings.rubyCommand);
    read(map, "seccomp", settings.seccomp);
    readNumber(map, "socket_backlog", settings.socketBacklog);
    read(map, "spawn_dir", settings.spawnDir);
    read(map, "spawn_server_command", settings.spawnServerCommand);
    read(map, "stat_throttle_rate", settings.statThrottleRate);
    read(map, "stop_timeout", settings.stopTimeout);
    read(map, "update", settings.update);
    read(map, "user", settings.user);
    read(map, "user_switching", settings.userSwitching);
    return settings;
}

}  // namespace Passenger
