#include "apache2/agent/AgentIdentity.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "apache2/agent/ServerGrants.h"
#include "apache2/config/SettingTarget.h"
#include "apache2/httpd/Httpd.h"
#include "base/WholeNumber.h"
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

/** The largest PassengerStopTimeout of the configuration, without .htaccess files. */
std::chrono::seconds stopTimeout(const Settings &settings) {
    std::chrono::seconds longest = Options().stopTimeout;
    for (const Settings::Grant &grant : settings.allGrants()) {
        if (std::strcmp(grant.key, "stop_timeout") == 0) {
            longest = std::max(longest, std::chrono::seconds(wholeNumber<int>(grant.value).value_or(0)));
        }
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

/** A stamp of all files in a folder and below, in any order. Each reload makes it, so files are
 *  looked up from their folder. Python's bytecode is left out, because an instance may write it. */
std::size_t stampOfFolder(int parent, const char *path) {
    const std::hash<std::string_view> hash;
    std::size_t stamps = 0;
    const int folder = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (parent == AT_FDCWD ? 0 : O_NOFOLLOW));
    const std::unique_ptr<DIR, int (*)(DIR *)> listing(folder == -1 ? nullptr : ::fdopendir(folder), ::closedir);
    while (const dirent *entry = listing != nullptr ? ::readdir(listing.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == ".." || name == "__pycache__") {
            continue;
        }
        struct stat file {};
        (void)fstatat(folder, entry->d_name, &file, 0);
        std::array<std::uint64_t, 6> state{hash(name)};
        if (S_ISDIR(file.st_mode)) {
            state[1] = stampOfFolder(folder, entry->d_name);
        } else {
            state = {state[0],
                     file.st_dev,
                     file.st_ino,
                     static_cast<std::uint64_t>(file.st_size),
                     static_cast<std::uint64_t>(file.st_mtim.tv_sec),
                     static_cast<std::uint64_t>(file.st_mtim.tv_nsec)};
        }
        stamps += hash({reinterpret_cast<const char *>(state.data()), sizeof(state)});
    }
    return stamps;
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
    result.stopTimeout = stopTimeout(settings);
    result.appFiles = appFiles(settings);
    result.grants = serverGrants(ap_server_conf);
    result.seccomp = seccompModeIn(settings.seccomp.value()).value_or(SeccompMode::ON);
    result.logPrefix = !settings.disableLogPrefix;
    return result;
}

AgentIdentity identityOf(const Settings &settings) {
    const std::string text = PASSENGER_VERSION "|" + stampOf(moduleFile()) + "|" +
                             stampOf(agentCommand(settings).c_str()) + "|" +
                             std::to_string(stampOfFolder(AT_FDCWD, rubyFolder(settings).c_str())) + "|" +
                             (settings.userSwitching ? "1|" : "0|") + settings.defaultUser.value() + "|" +
                             (settings.defaultGroup != nullptr ? settings.defaultGroup : "") + "|" +
                             (settings.agentUser != nullptr ? settings.agentUser : "") + "|" +
                             settings.seccomp.value() + "|" + settings.root.value();
    AgentIdentity identity;
    apr_cpystrn(identity.text, text.c_str(), sizeof(identity.text));
    return identity;
}

}  // namespace Passenger
