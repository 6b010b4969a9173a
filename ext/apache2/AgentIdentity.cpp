#include "AgentIdentity.h"

#include <sys/stat.h>

#include "Httpd.h"

namespace Passenger {

std::string agentCommand(const Settings &settings) {
    return std::string(settings.rootOrDefault()) + "/passenger-agent";
}

std::string spawnServerCommand(const Settings &settings) {
    return std::string(settings.rootOrDefault()) + "/lib/passenger/spawn_server.rb";
}

AgentSettings agentSettings(const Settings &settings) {
    AgentSettings result;
    result.agentCommand = agentCommand(settings);
    result.spawnServerCommand = spawnServerCommand(settings);
    result.rubyCommand = settings.defaultRubyOrDefault();
    result.environment = settings.appEnvOrDefault();
    // At this point of a start and of a reload httpd has made its error log our standard error.
    result.logFile = settings.logFile != nullptr ? settings.logFile : "";
    result.requireSpawnServer = false;
    result.maxPoolSize = static_cast<unsigned>(settings.maxPoolSize.value_or(static_cast<int>(result.maxPoolSize)));
    result.maxInstancesPerApp = static_cast<unsigned>(settings.maxInstancesPerApp.value_or(0));
    result.poolIdleTime =
        std::chrono::seconds(settings.poolIdleTime.value_or(static_cast<int>(result.poolIdleTime.count())));
    result.statThrottleRate =
        std::chrono::seconds(settings.statThrottleRate.value_or(static_cast<int>(result.statThrottleRate.count())));
    result.logPrefix = !settings.disableLogPrefix.value_or(false);
    result.logLevel = settings.logLevel.value_or(result.logLevel);
    return result;
}

AgentIdentity identityOf(const Settings &settings) {
    struct stat file {};
    std::string command = agentCommand(settings);
    // A file that is not there gives an identity of zeros, and the start fails with a better message than we could give here.
    (void)stat(command.c_str(), &file);
    AgentIdentity identity;
    apr_snprintf(identity.text, sizeof(identity.text), "%s|%s|%s|%s|%d|%lu:%lu:%ld:%ld.%09ld", PASSENGER_VERSION,
                 settings.rootOrDefault(), settings.defaultUserOrDefault(),
                 settings.defaultGroup != nullptr ? settings.defaultGroup : "",
                 settings.userSwitching.value_or(true) ? 1 : 0, static_cast<unsigned long>(file.st_dev),
                 static_cast<unsigned long>(file.st_ino), static_cast<long>(file.st_size),
                 static_cast<long>(file.st_mtim.tv_sec), static_cast<long>(file.st_mtim.tv_nsec));
    return identity;
}

}  // namespace Passenger
