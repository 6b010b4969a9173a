#include "exchange/Options.h"

#include <charconv>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

template <typename Number = unsigned> Number parseNumber(const std::string &key, const std::string &value) {
    Number number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || std::cmp_less(number, 0)) {
        throw ProtocolException("option " + key + ": \"" + value + "\" is not a number");
    }
    return number;
}

bool parseBoolean(const std::string &key, const std::string &value) {
    if (value != "0" && value != "1") {
        throw ProtocolException("option " + key + ": \"" + value + "\" is neither 0 nor 1");
    }
    return value == "1";
}

/** Calls `text`, `number` or `flag` for each option. The only list of keys, for both directions. */
template <typename Self, typename Text, typename Number, typename Flag>
void visit(Self &options, Text text, Number number, Flag flag) {
    text("app_root", options.appRoot);
    text("environment", options.environment);
    text("app_group_name", options.appGroupName);
    text("startup_file", options.startupFile);
    text("app_callable", options.appCallable);
    text("restart_dir", options.restartDir);
    text("base_uri", options.baseUri);
    text("app_type", options.appType);
    text("start_command", options.startCommand);
    text("instance_address", options.instanceAddress);
    text("python", options.python);
    text("nodejs", options.nodejs);
    text("ruby", options.ruby);
    text("log_file", options.logFile);
    text("monitored_files", options.monitoredFiles);
    text("spawn_method", options.spawnMethod);
    text("user", options.user);
    text("group", options.group);
    text("default_user", options.defaultUser);
    text("default_group", options.defaultGroup);
    flag("user_switching", options.userSwitching);
    flag("load_shell_envvars", options.loadShellEnvvars);
    flag("preload_bundler", options.preloadBundler);
    number("refork_after", options.reforkAfter);
    text("warm_up", options.warmUp);
    number("min_instances", options.minInstances);
    number("max_instances", options.maxInstances);
    number("start_instances", options.startInstances);
    number("min_spare_instances", options.minSpareInstances);
    number("max_spare_instances", options.maxSpareInstances);
    number("max_log_lines", options.maxLogLines);
    number("max_requests", options.maxRequests);
    number("memory_limit", options.memoryLimit);
    number("hard_memory_limit", options.hardMemoryLimit);
    number("memory_budget", options.memoryBudget);
    number("memory_max", options.memoryMax);
    number("cpu_weight", options.cpuWeight);
    number("tasks_max", options.tasksMax);
    number("max_boot_processes", options.maxBootProcesses);
    number("max_request_queue_size", options.maxQueueSize);
    number("queue_target", options.queueTarget);
    number("slow_request_time", options.slowRequestTime);
    flag("rolling_restarts", options.rollingRestarts);
    flag("resist_deployment_errors", options.resistDeploymentErrors);
    flag("sticky_sessions", options.stickySessions);
    number("sticky_id", options.stickyId);
    number("thread_count", options.threads);
    number("stop_timeout", options.stopTimeout);
}

}  // namespace

Options::Variables Options::toMap() const {
    Variables map;
    visit(
        *this, [&](const char *key, const std::string &value) { map[key] = value; },
        [&](const char *key, unsigned value) { map[key] = std::to_string(value); },
        [&](const char *key, bool value) { map[key] = std::string(1, value ? '1' : '0'); });
    map["start_timeout"] = std::to_string(startTimeout.count());
    map["max_preloader_idle_time"] = std::to_string(maxPreloaderIdleTime.count());
    map["heartbeat_timeout"] = std::to_string(heartbeatTimeout.count());
    map["max_request_queue_time"] = std::to_string(maxQueueTime.count());
    map["max_request_time"] = std::to_string(maxRequestTime.count());
    if (variables) {
        for (auto &[name, value] : variables()) {
            map[std::string(VARIABLE_PREFIX) + name] = value;
        }
    }
    return map;
}

Options Options::fromMap(const Variables &map) {
    Options options;
    const auto find = [&](const char *key, auto use) {
        if (const auto found = map.find(key); found != map.end()) {
            use(found->second);
        }
    };
    visit(
        options,
        [&](const char *key, std::string &value) { find(key, [&](const std::string &text) { value = text; }); },
        [&](const char *key, unsigned &value) {
            find(key, [&](const std::string &text) { value = parseNumber(key, text); });
        },
        [&](const char *key, bool &value) {
            find(key, [&](const std::string &text) { value = parseBoolean(key, text); });
        });
    find("start_timeout", [&](const std::string &text) {
        options.startTimeout = std::chrono::seconds(parseNumber("start_timeout", text));
    });
    find("max_preloader_idle_time", [&](const std::string &text) {
        options.maxPreloaderIdleTime = std::chrono::seconds(parseNumber("max_preloader_idle_time", text));
    });
    find("heartbeat_timeout", [&](const std::string &text) {
        options.heartbeatTimeout = std::chrono::seconds(parseNumber("heartbeat_timeout", text));
    });
    find("max_request_queue_time", [&](const std::string &text) {
        options.maxQueueTime =
            std::chrono::milliseconds(parseNumber<std::chrono::milliseconds::rep>("max_request_queue_time", text));
    });
    find("max_request_time", [&](const std::string &text) {
        options.maxRequestTime =
            std::chrono::milliseconds(parseNumber<std::chrono::milliseconds::rep>("max_request_time", text));
    });
    if (options.threads == 0) {
        throw ProtocolException("option thread_count: \"0\" is not allowed, an instance needs at least one thread");
    }
    Variables variables;
    for (auto entry = map.lower_bound(std::string(VARIABLE_PREFIX));
         entry != map.end() && entry->first.starts_with(VARIABLE_PREFIX); ++entry) {
        variables.emplace(entry->first.substr(VARIABLE_PREFIX.size()), entry->second);
    }
    options.variables = [variables = std::move(variables)] { return variables; };
    return options;
}

}  // namespace Passenger
