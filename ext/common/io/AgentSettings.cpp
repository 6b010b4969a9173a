#include "io/AgentSettings.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/Exceptions.h"
#include "io/FieldText.h"

namespace Passenger {

namespace {

using Map = std::map<std::string, std::string>;

using FieldText::parse;
using FieldText::shown;

void parse(const char *key, const std::string &text, SeccompMode &into) {
    const auto mode = seccompModeIn(text);
    if (!mode) {
        FieldText::reject(key, text);
    }
    into = *mode;
}

std::string shown(SeccompMode value) {
    return text(value);
}

/** Calls `each` for each setting of toMap(). The only list of keys, for both directions. */
template <typename Self, typename Each> void visit(Self &settings, Each each) {
    each("agent_command", settings.agentCommand);
    each("agent_timeout", settings.agentTimeout);
    each("agent_user", settings.agentUser);
    each("app_files", settings.appFiles);
    each("default_group", settings.defaultGroup);
    each("default_user", settings.defaultUser);
    each("descriptor_log_file", settings.descriptorLogFile);
    each("drains", settings.drains);
    each("environment", settings.environment);
    each("first_agent", settings.firstAgent);
    each(AgentSettings::GRANTS, settings.grants);
    each("instance_registry_dir", settings.instanceRegistryDir);
    each("log_file", settings.logFile);
    each("log_format", settings.logFormat);
    each("log_level", settings.logLevel);
    each("log_prefix", settings.logPrefix);
    each("max_app_idle_time", settings.maxAppIdleTime);
    each("max_child_apps", settings.maxChildApps);
    each("max_child_channels", settings.maxChildChannels);
    each("max_child_connections", settings.maxChildConnections);
    each("max_instances_per_app", settings.maxInstancesPerApp);
    each("max_pool_size", settings.maxPoolSize);
    each("memory_budget", settings.memoryBudget);
    each("obeys_users", settings.obeysUsers);
    each("on_event", settings.onEvent);
    each("pauses", settings.pauses);
    each("pool_idle_time", settings.poolIdleTime);
    each("pre_start", settings.preStart);
    each("require_spawn_server", settings.requireSpawnServer);
    each("ruby_command", settings.rubyCommand);
    each("seccomp", settings.seccomp);
    each("socket_backlog", settings.socketBacklog);
    each("spawn_dir", settings.spawnDir);
    each("spawn_server_command", settings.spawnServerCommand);
    each("stat_throttle_rate", settings.statThrottleRate);
    each("stop_timeout", settings.stopTimeout);
    each("update", settings.update);
    each("user", settings.user);
    each("user_switching", settings.userSwitching);
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
    Map map;
    visit(*this, [&map](const char *key, const auto &value) { map[key] = shown(value); });
    return map;
}

AgentSettings AgentSettings::fromMap(const Map &map) {
    AgentSettings settings;
    const auto read = [&map](const char *key, auto &into) {
        if (const auto found = map.find(key); found != map.end()) {
            parse(key, found->second, into);
        }
    };
    visit(settings, read);
    read(AGENT_KILLS, settings.agentKills);
    read(EARLIER_GRANTS, settings.earlierGrants);
    read(GRANTS_CHANGED, settings.grantsChanged);
    return settings;
}

}  // namespace Passenger
