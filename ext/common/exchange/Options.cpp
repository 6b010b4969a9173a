#include "exchange/Options.h"

#include <cstdint>
#include <utility>

#include "base/Exceptions.h"
#include "io/FieldText.h"

namespace Passenger {

namespace {

/** Of RequestOptions::queue. */
constexpr const char *QUEUE_KEY = "sticky_id";

/** Calls `each` for each option of the application. The only list of their keys, for both
 *  directions. */
template <typename Self, typename Each> void visit(Self &options, Each each) {
    each("app_root", options.appRoot);
    each("environment", options.environment);
    each("app_group_name", options.appGroupName);
    each("startup_file", options.startupFile);
    each("app_callable", options.appCallable);
    each("restart_dir", options.restartDir);
    each("base_uri", options.baseUri);
    each("app_type", options.appType);
    each("start_command", options.startCommand);
    each("instance_address", options.instanceAddress);
    each("python", options.python);
    each("nodejs", options.nodejs);
    each("ruby", options.ruby);
    each("log_file", options.logFile);
    each("monitored_files", options.monitoredFiles);
    each("spawn_method", options.spawnMethod);
    each("user", options.user);
    each("group", options.group);
    each("default_user", options.defaultUser);
    each("default_group", options.defaultGroup);
    each("user_switching", options.userSwitching);
    each("load_shell_envvars", options.loadShellEnvvars);
    each("preload_bundler", options.preloadBundler);
    each("refork_after", options.reforkAfter);
    each("warm_up", options.warmUp);
    each("min_instances", options.minInstances);
    each("max_instances", options.maxInstances);
    each("start_instances", options.startInstances);
    each("min_spare_instances", options.minSpareInstances);
    each("max_spare_instances", options.maxSpareInstances);
    each("max_log_lines", options.maxLogLines);
    each("max_requests", options.maxRequests);
    each("memory_limit", options.memoryLimit);
    each("hard_memory_limit", options.hardMemoryLimit);
    each("memory_budget", options.memoryBudget);
    each("memory_max", options.memoryMax);
    each("cpu_weight", options.cpuWeight);
    each("tasks_max", options.tasksMax);
    each("max_boot_processes", options.maxBootProcesses);
    each("max_request_queue_size", options.maxQueueSize);
    each("queue_target", options.queueTarget);
    each("slow_request_time", options.slowRequestTime);
    each("rolling_restarts", options.rollingRestarts);
    each("resist_deployment_errors", options.resistDeploymentErrors);
    each("sticky_sessions", options.stickySessions);
    each("priority_queue", options.priorityQueue);
    each("thread_count", options.threads);
    each("stop_timeout", options.stopTimeout);
    each("start_timeout", options.startTimeout);
    each("max_preloader_idle_time", options.maxPreloaderIdleTime);
    each("heartbeat_timeout", options.heartbeatTimeout);
    each("max_request_queue_time", options.maxQueueTime);
    each("max_request_time", options.maxRequestTime);
}

}  // namespace

Options::Variables Options::toMap() const {
    Variables map;
    visit(*this, [&map](const char *key, const auto &value) { map[key] = FieldText::shown(value); });
    map[QUEUE_KEY] = FieldText::shown(request.queue.number());
    if (variables) {
        for (auto &[name, value] : variables()) {
            map[std::string(VARIABLE_PREFIX) + name] = value;
        }
    }
    return map;
}

Options Options::fromMap(const Variables &map) {
    const auto read = [&map](const char *key, auto &value) {
        if (const auto found = map.find(key); found != map.end()) {
            FieldText::parse(key, found->second, value);
        }
    };
    Options options;
    visit(options, read);
    std::uint32_t queue = 0;
    read(QUEUE_KEY, queue);
    options.request.queue = QueueChoice::ofInstance(queue);
    if (options.threads == 0 || options.threads > Options::NO_THREAD_LIMIT) {
        throw ProtocolException("option thread_count: " + std::to_string(options.threads) +
                                " is not allowed, an instance has 1 to 8192 threads");
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
