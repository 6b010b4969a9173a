#include "apache2/agent/AgentIdentity.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "apache2/agent/ServerGrants.h"
#include "apache2/config/NumberValue.h"
#include "apache2/config/SettingTarget.h"
#include "apache2/httpd/Httpd.h"
#include "exchange/Options.h"

namespace Passenger {

namespace {

/** Bytes. All settings travel in one frame, of at most 1 MiB. */
constexpr std::size_t MOST_APP_FILES = 512 * 1024;

std::string appFiles(const Settings &settings) {
    std::set<std::string_view> paths;
    std::string result;
    for (const char *path : Settings::items(settings.appFiles)) {
        if (!paths.insert(path).second) {
            continue;
        }
        if (result.size() + std::strlen(path) >= MOST_APP_FILES) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                         "PassengerAppLogFile, PassengerMonitorLogFile: the configuration names too many paths. From "
                         "\"%s\" on, files are opened with the rights of the application's user",
                         path);
            break;
        }
        result += (result.empty() ? "" : "\n");
        result += path;
    }
    return result;
}

constexpr const char *STOP_TIMEOUT = "PassengerStopTimeout";

const Directives::Field &fieldOf(std::string_view directive) {
    return std::ranges::find(Directives::TABLE, directive, &Directives::Directive::name)->field;
}

/** The largest PassengerStopTimeout of the configuration. It is read from httpd's tree, which has
 *  all sections of all virtual hosts, and no .htaccess file. */
std::chrono::seconds stopTimeout(apr_pool_t *pool, const ap_directive_t *directive) {
    std::chrono::seconds longest = Options().stopTimeout;
    for (; directive != nullptr; directive = directive->next) {
        if (strcasecmp(directive->directive, STOP_TIMEOUT) == 0) {
            const char *arguments = directive->args;
            std::optional<int> seconds;
            Directives::NumberValue::read(fieldOf(STOP_TIMEOUT), seconds, ap_getword_conf(pool, &arguments), pool);
            longest = std::max(longest, std::chrono::seconds(seconds.value_or(0)));
        }
        longest = std::max(longest, stopTimeout(pool, directive->first_child));
    }
    return std::min(longest, AgentSettings::LONGEST_STOP);
}

/** The path of the file that contains this code, as LoadModule gives it. */
const char *moduleFile() {
    Dl_info info{};
    return dladdr(&passenger_module, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

std::string rubyFolder(const Settings &settings) {
    return std::string(settings.root) + "/lib/passenger";
}

/** The stamp changes when the file is written or replaced. A missing file has zeros: the agent's
 *  start then fails with a better message than this function could give. */
std::string stampOf(const char *path) {
    struct stat file {};
    (void)stat(path, &file);
    char text[128];
    apr_snprintf(text, sizeof(text), "%lu:%lu:%ld:%ld.%09ld", static_cast<unsigned long>(file.st_dev),
                 static_cast<unsigned long>(file.st_ino), static_cast<long>(file.st_size),
                 static_cast<long>(file.st_mtim.tv_sec), static_cast<long>(file.st_mtim.tv_nsec));
    return text;
}

/** A stamp of all files in a folder and below. The hash keeps the identity short. Python's bytecode
 *  is left out, because an instance may write it. */
std::string stampOfFolder(const std::string &folder) {
    std::set<std::string> files;
    std::error_code problem;
    std::filesystem::recursive_directory_iterator entry(folder, problem);
    for (; !problem && entry != std::filesystem::recursive_directory_iterator(); entry.increment(problem)) {
        if (entry->path().filename() == "__pycache__") {
            entry.disable_recursion_pending();
        } else if (!entry->is_directory(problem)) {
            files.insert(entry->path());
        }
    }
    std::string stamps;
    for (const std::string &file : files) {
        stamps += file + "|" + stampOf(file.c_str()) + "|";
    }
    return std::to_string(std::hash<std::string>()(stamps));
}

}  // namespace

std::string agentCommand(const Settings &settings) {
    return std::string(settings.root) + "/passenger-agent";
}

std::string spawnServerCommand(const Settings &settings) {
    return rubyFolder(settings) + "/spawn/spawn_server.rb";
}

AgentSettings agentSettings(const Settings &settings) {
    AgentSettings result;
    result.agentCommand = agentCommand(settings);
    result.spawnServerCommand = spawnServerCommand(settings);
    // Without PassengerLogFile the log is standard error: at this point of a start or reload, that
    // is httpd's error log.
    for (const Directives::Directive &row : Directives::TABLE) {
        Directives::take(result, row.field, settings);
    }
    result.environment = settings.appEnv;
    result.memoryBudget = static_cast<unsigned>(settings.memoryBudget);
    result.requireSpawnServer = false;
    result.instanceRegistryDir = settings.instanceRegistryDir != nullptr
                                     ? settings.instanceRegistryDir.value()
                                     : ap_runtime_dir_relative(ap_server_conf->process->pconf, "");
    apr_pool_t *pool = nullptr;
    apr_pool_create(&pool, ap_server_conf->process->pool);
    result.stopTimeout = stopTimeout(pool, ap_conftree);
    apr_pool_destroy(pool);
    result.appFiles = appFiles(settings);
    result.grants = serverGrants(ap_server_conf);
    result.seccomp = seccompModeIn(settings.seccomp.value()).value_or(SeccompMode::ON);
    result.logPrefix = !settings.disableLogPrefix;
    return result;
}

AgentIdentity identityOf(const Settings &settings) {
    const std::string text = PASSENGER_VERSION "|" + stampOf(moduleFile()) + "|" +
                             stampOf(agentCommand(settings).c_str()) + "|" + stampOfFolder(rubyFolder(settings)) + "|" +
                             (settings.userSwitching ? "1|" : "0|") + settings.defaultUser.value() + "|" +
                             (settings.defaultGroup != nullptr ? settings.defaultGroup : "") + "|" +
                             (settings.agentUser != nullptr ? settings.agentUser : "") + "|" +
                             settings.seccomp.value() + "|" + settings.root.value();
    AgentIdentity identity;
    apr_cpystrn(identity.text, text.c_str(), sizeof(identity.text));
    return identity;
}

}  // namespace Passenger
