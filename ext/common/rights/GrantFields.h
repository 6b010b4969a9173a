#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include <fmt/format.h>

#include "exchange/Options.h"

/** The options of an application that httpd's configuration has to name (class Grants). */
namespace Passenger::GrantFields {

/** An option that decides what runs. It is compared when a child asks, and at each start. */
struct GrantField {
    const char *key;
    const char *directive;
    std::string Options::*option;
    /** Values that need not be named, beside the empty one. */
    std::array<std::string_view, 7> defaults{};
};

inline constexpr const char *ENVIRONMENT = "environment";

inline constexpr std::array FIELDS{
    GrantField{"user", "PassengerUser", &Options::user},
    GrantField{"group", "PassengerGroup", &Options::group},
    GrantField{"ruby", "PassengerRuby", &Options::ruby},
    GrantField{"python", "PassengerPython", &Options::python, {"python3"}},
    GrantField{"nodejs", "PassengerNodejs", &Options::nodejs, {"node"}},
    GrantField{"start_command", "PassengerAppStartCommand", &Options::startCommand},
    GrantField{
        "startup_file",
        "PassengerStartupFile",
        &Options::startupFile,
        {"config.ru", "passenger_wsgi.py", "passenger_asgi.py", "app.js", "asgi.py", "package.json", "manage.py"}},
    GrantField{"app_callable", "PassengerAppCallable", &Options::appCallable, {"application"}},
    GrantField{"app_group_name", "PassengerAppGroupName", &Options::appGroupName},
    GrantField{ENVIRONMENT, "PassengerAppEnv", &Options::environment, {"production"}},
    GrantField{"instance_address", "PassengerDirectInstanceRequestAddress", &Options::instanceAddress, {"127.0.0.1"}},
    GrantField{"log_file", "PassengerAppLogFile", &Options::logFile},
};

/** An option that limits an application, or decides how it lives. Its default needs no line; a
 *  limit's default does where the key `limited` says so. */
struct GrantValue {
    using Option = std::variant<unsigned Options::*, bool Options::*, std::chrono::seconds Options::*,
                                std::chrono::milliseconds Options::*, std::string Options::*>;

    const char *key;
    const char *directive;
    Option option;
    /** Whether it limits what the application's processes may use. */
    bool isLimit = false;

    /** As in a line of Grants. A list has a line for each line of the text. */
    std::string text(const Options &options) const {
        return std::visit(
            [&](auto member) -> std::string {
                const auto &value = options.*member;
                using Value = std::remove_cvref_t<decltype(value)>;
                if constexpr (std::is_same_v<Value, std::string>) {
                    return value;
                } else if constexpr (std::is_same_v<Value, bool>) {
                    return value ? "On" : "Off";
                } else if constexpr (std::is_same_v<Value, unsigned>) {
                    return std::to_string(value);
                } else {
                    return std::to_string(value.count());
                }
            },
            option);
    }
    /** For people. */
    std::string shown(const Options &options) const {
        const bool isText = std::holds_alternative<std::string Options::*>(option);
        return fmt::format("{0} {1}{2}{1}", directive, isText ? "\"" : "", text(options));
    }
    bool isDefault(const Options &options) const {
        static const Options DEFAULTS;
        const bool same = std::visit([&](auto member) { return options.*member == DEFAULTS.*member; }, option);
        return same || isDerived(options);
    }

private:
    /** A value that another option gives, where no directive sets it. */
    bool isDerived(const Options &options) const {
        if (option == Option(&Options::threads)) {
            return options.threads == Options::NO_THREAD_LIMIT && (options.startsByBridge() || options.isAsync());
        }
        if (option == Option(&Options::rollingRestarts)) {
            return !options.rollingRestarts && options.environment == "development";
        }
        return option == Option(&Options::maxQueueSize) && options.maxQueueSize == 0 &&
               options.queueTarget > std::chrono::milliseconds(0);
    }
};

inline constexpr std::array VALUES{
    GrantValue{"memory_max", "PassengerMemoryMax", &Options::memoryMax, true},
    GrantValue{"cpu_weight", "PassengerCpuWeight", &Options::cpuWeight, true},
    GrantValue{"tasks_max", "PassengerTasksMax", &Options::tasksMax, true},
    GrantValue{"memory_limit", "PassengerMemoryLimit", &Options::memoryLimit, true},
    GrantValue{"hard_memory_limit", "PassengerHardMemoryLimit", &Options::hardMemoryLimit, true},
    GrantValue{"memory_budget", "PassengerMemoryBudget", &Options::memoryBudget, true},
    GrantValue{"max_log_lines", "PassengerMaxLogLinesPerSecond", &Options::maxLogLines, true},
    GrantValue{"max_boot_processes", "PassengerMaxBootProcesses", &Options::maxBootProcesses, true},
    GrantValue{"min_instances", "PassengerMinInstances", &Options::minInstances},
    GrantValue{"max_instances", "PassengerMaxInstances", &Options::maxInstances},
    GrantValue{"start_instances", "PassengerStartInstances", &Options::startInstances},
    GrantValue{"min_spare_instances", "PassengerMinSpareInstances", &Options::minSpareInstances},
    GrantValue{"max_spare_instances", "PassengerMaxSpareInstances", &Options::maxSpareInstances},
    GrantValue{"max_requests", "PassengerMaxRequests", &Options::maxRequests},
    GrantValue{"refork_after", "PassengerReforkAfter", &Options::reforkAfter},
    GrantValue{"heartbeat_timeout", "PassengerHeartbeatTimeout", &Options::heartbeatTimeout},
    GrantValue{"start_timeout", "PassengerStartTimeout", &Options::startTimeout},
    GrantValue{"stop_timeout", "PassengerStopTimeout", &Options::stopTimeout},
    GrantValue{"max_preloader_idle_time", "PassengerMaxPreloaderIdleTime", &Options::maxPreloaderIdleTime},
    GrantValue{"thread_count", "PassengerThreadCount", &Options::threads},
    GrantValue{"max_request_queue_size", "PassengerMaxRequestQueueSize", &Options::maxQueueSize},
    GrantValue{"queue_target", "PassengerQueueTarget", &Options::queueTarget},
    GrantValue{"priority_queue", "PassengerPriorityQueue", &Options::priorityQueue},
    GrantValue{"rolling_restarts", "PassengerRollingRestarts", &Options::rollingRestarts},
    GrantValue{"resist_deployment_errors", "PassengerResistDeploymentErrors", &Options::resistDeploymentErrors},
    GrantValue{"restart_dir", "PassengerRestartDir", &Options::restartDir},
    GrantValue{"spawn_method", "PassengerSpawnMethod", &Options::spawnMethod},
    GrantValue{"preload_bundler", "PassengerPreloadBundler", &Options::preloadBundler},
    GrantValue{"load_shell_envvars", "PassengerLoadShellEnvvars", &Options::loadShellEnvvars},
    GrantValue{"warm_up", "PassengerWarmUp", &Options::warmUp},
    GrantValue{"monitored_files", "PassengerMonitorLogFile", &Options::monitoredFiles},
};

}  // namespace Passenger::GrantFields
