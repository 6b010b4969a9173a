#include "rights/Grants.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "base/Split.h"

namespace Passenger {

namespace {

namespace fs = std::filesystem;

/** An option whose values the configuration has to name. */
struct GrantField {
    const char *key;
    const char *directive;
    std::string Options::*option;
    /** Values that need not be named, beside the empty one. */
    std::array<std::string_view, 7> defaults{};
};

constexpr std::array FIELDS{
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
};

/** A limit of an application. */
struct LimitField {
    const char *key;
    const char *directive;
    unsigned Options::*option;

    bool isDefault(const Options &options) const {
        return options.*option == Options().*option;
    }
};

constexpr std::array LIMITS{
    LimitField{"memory_max", "PassengerMemoryMax", &Options::memoryMax},
    LimitField{"cpu_weight", "PassengerCpuWeight", &Options::cpuWeight},
    LimitField{"tasks_max", "PassengerTasksMax", &Options::tasksMax},
    LimitField{"memory_limit", "PassengerMemoryLimit", &Options::memoryLimit},
    LimitField{"hard_memory_limit", "PassengerHardMemoryLimit", &Options::hardMemoryLimit},
    LimitField{"memory_budget", "PassengerMemoryBudget", &Options::memoryBudget},
    LimitField{"max_log_lines", "PassengerMaxLogLinesPerSecond", &Options::maxLogLines},
    LimitField{"max_boot_processes", "PassengerMaxBootProcesses", &Options::maxBootProcesses},
};
constexpr const char *LIMITED = "limited";

/** A part of an application's name, beside its folder. */
struct NamePart {
    const char *key;
    std::string Options::*option;
    /** The value where no directive sets one. */
    const char *fallback;
};

constexpr std::array NAME_PARTS{NamePart{"user", &Options::user, ""}, NamePart{"group", &Options::group, ""},
                                NamePart{"environment", &Options::environment, "production"}};

constexpr const char *DOCUMENT_ROOT = "document_root";
/** The parents of the document roots. Only this class sets them. */
constexpr const char *FOLDER = "folder";

/**
 * Variables that decide which code a loader, a library, an interpreter or a shell runs (ld.so(8),
 * ruby(1), node(1), python(1), bash(1), zsh(1), perlrun(1), java(1), openssl-env(7), the manuals of
 * Bundler and Bootsnap), and those of the agent itself. A name with a star stands for all with this
 * beginning.
 */
constexpr std::array LOADERS = std::to_array<std::string_view>({
    // clang-format off
    "LD_*", "GLIBC_*", "MALLOC_*", "GCONV_PATH", "LOCPATH", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES",
    "RUBYOPT", "RUBYLIB", "RUBYSHELL", "RUBY_ROOT", "GEM_*", "BUNDLE_*", "BUNDLER_*", "BOOTSNAP_CACHE_DIR",
    "NODE_OPTIONS", "NODE_PATH", "NPM_CONFIG_*", "PYTHON*", "PERL*",
    "PATH", "HOME", "SHELL", "BASH_ENV", "ENV", "BASH_FUNC*", "SHELLOPTS", "IFS", "ZDOTDIR",
    "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "PHPRC", "PHP_INI_SCAN_DIR", "LUA_INIT*",
    "ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS", "ERL_LIBS", "DOTNET_STARTUP_HOOKS",
    "PASSENGER_NATIVE", "PASSENGER_PRELOAD_BUNDLER",
    // clang-format on
});

/** PassengerGroup: the group of the startup file (UserResolver::STARTUP_FILE_GROUP). */
constexpr const char *ANY_GROUP = "!STARTUP_FILE!";

bool isLoaders(std::string_view name) {
    return std::any_of(LOADERS.begin(), LOADERS.end(), [name](std::string_view pattern) {
        return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
    });
}

/** The name that the module gives an application without PassengerAppGroupName. */
std::string derivedName(const Options &options) {
    std::string name = options.appRoot + " (" + options.environment + ")";
    if (!options.user.empty() || !options.group.empty()) {
        name += " as " + options.user + (options.group.empty() ? "" : ":") + options.group;
    }
    return name;
}

bool needsNoName(const GrantField &field, const Options &options) {
    const std::string &value = options.*field.option;
    if (field.option == &Options::appGroupName) {
        return value.empty() || value == derivedName(options);
    }
    return value.empty() || std::find(field.defaults.begin(), field.defaults.end(), value) != field.defaults.end();
}

std::string parentOf(fs::path folder) {
    if (!folder.has_filename()) {
        folder = folder.parent_path();
    }
    return folder.parent_path();
}

/** The folder above the one to which the path leads; empty if it leads nowhere. */
std::string parentBehindLinks(const std::string &path) {
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    return error ? "" : target.parent_path().string();
}

std::string missing(const char *directive, const std::string &value) {
    return fmt::format(
        "httpd's configuration has no {} {}. If a reload has removed it, the application's next request brings the "
        "present value. Otherwise a process that asks for it was taken over, or has another configuration",
        directive, value);
}

}  // namespace

Grants::Grants(const std::string &text) {
    for (const std::string &line : split(text, '\n')) {
        const std::size_t space = line.find(' ');
        if (line == "server") {
            servers_.emplace_back();
        } else if (!servers_.empty() && space != std::string::npos) {
            const std::string key = line.substr(0, space);
            const std::string value = line.substr(space + 1);
            servers_.back()[key].insert(value);
            if (key == DOCUMENT_ROOT) {
                servers_.back()[FOLDER].insert(parentOf(value));
            }
        }
    }
}

bool Grants::has(const Server &server, const std::string &key, const std::string &value) {
    const auto values = server.find(key);
    return values != server.end() && values->second.contains(value);
}

bool Grants::grants(const Server &server, const std::string &key, const std::string &value) const {
    return has(server, key, value) || has(servers_.front(), key, value);
}

bool Grants::isGranted(const std::string &key, const std::string &value) const {
    return std::any_of(servers_.begin(), servers_.end(), [&](const Server &server) { return has(server, key, value); });
}

bool Grants::grantsAll(const Server &server, const Options &options) const {
    return std::all_of(FIELDS.begin(), FIELDS.end(),
                       [&](const GrantField &field) {
                           return needsNoName(field, options) || grants(server, field.key, options.*field.option);
                       }) &&
           grantsLimits(server, options);
}

bool Grants::grantsLimits(const Server &server, const Options &options) const {
    return std::all_of(LIMITS.begin(), LIMITS.end(), [&](const LimitField &field) {
        return grants(server, field.key, std::to_string(options.*field.option)) ||
               (field.isDefault(options) && !grants(server, LIMITED, field.key));
    });
}

std::optional<std::string> Grants::limitRefusal(const Options &options) const {
    const auto limits = [](const Server &server) { return server.contains(LIMITED); };
    if (std::none_of(servers_.begin(), servers_.end(), limits)) {
        return std::nullopt;
    }
    bool known = false;
    for (const Server &server : servers_) {
        if (covers(server, options.appRoot)) {
            known = true;
            if (grantsAll(server, options)) {
                return std::nullopt;
            }
        }
    }
    if (!known) {
        return std::nullopt;
    }
    std::string asked;
    for (const LimitField &field : LIMITS) {
        asked += fmt::format("{}{} {}", asked.empty() ? "" : ", ", field.directive, options.*field.option);
    }
    return fmt::format(
        "the virtual host of the folder {} has other limits than {}. Where an Alias of another virtual host leads to "
        "the folder, set the same limits there. Otherwise a process that asks for these was taken over, or has another "
        "configuration",
        options.appRoot, asked);
}

std::optional<std::string> Grants::refusal(const Options &options) const {
    const auto one = [&](const Server &server) { return grantsAll(server, options); };
    if (everything() || std::any_of(servers_.begin(), servers_.end(), one)) {
        return std::nullopt;
    }
    for (const GrantField &field : FIELDS) {
        if (!needsNoName(field, options) && !isGranted(field.key, options.*field.option)) {
            return missing(field.directive, fmt::format("\"{}\"", options.*field.option));
        }
    }
    for (const LimitField &field : LIMITS) {
        const std::string value = std::to_string(options.*field.option);
        if (!field.isDefault(options) && !isGranted(field.key, value)) {
            return missing(field.directive, value);
        }
    }
    return fmt::format(
        "httpd's configuration has no place with all of this application's settings (user \"{}\", group \"{}\", start "
        "command \"{}\"): a process that asks for it was taken over, or has another configuration",
        options.user, options.group, options.startCommand);
}

bool Grants::covers(const Server &server, const std::string &folder) const {
    if (grants(server, "app_root", folder)) {
        return true;
    }
    const auto roots = server.find(DOCUMENT_ROOT);
    if (roots == server.end()) {
        return false;
    }
    return std::any_of(roots->second.begin(), roots->second.end(), [&](const std::string &root) {
        const auto behind = [&](const Server &named) {
            const auto uris = named.find("base_uri");
            return uris != named.end() && std::any_of(uris->second.begin(), uris->second.end(), [&](const auto &uri) {
                       return parentBehindLinks(root + uri) == folder;
                   });
        };
        return parentOf(root) == folder || parentBehindLinks(root) == folder || behind(server) ||
               behind(servers_.front());
    });
}

bool Grants::mayHaveFolder(const Server &server, const std::string &folder) const {
    const Server &main = servers_.front();
    return has(main, "any", "folder") || server.contains("base_uri") || main.contains("base_uri") ||
           grants(server, "resolve_symlinks", "On") || grants(server, "app_root", folder) ||
           has(server, FOLDER, folder);
}

bool Grants::mayHaveDerivedName(const Server &server, const Options &options) const {
    return mayHaveFolder(server, options.appRoot) &&
           std::all_of(NAME_PARTS.begin(), NAME_PARTS.end(), [&](const NamePart &part) {
               const std::string &value = options.*part.option;
               return grants(server, part.key, value) || (value == part.fallback && !grants(server, "fixed", part.key));
           });
}

bool Grants::hasName(const Options &options) const {
    if (everything()) {
        return true;
    }
    for (const GrantField &field : FIELDS) {
        const bool isPartOfName =
            field.option == &Options::user || field.option == &Options::group || field.option == &Options::appGroupName;
        if (isPartOfName && !needsNoName(field, options) && !isGranted(field.key, options.*field.option)) {
            return false;
        }
    }
    const bool isDerived = options.appGroupName.empty() || options.appGroupName == derivedName(options);
    return !isDerived || has(servers_.front(), "any", "name") ||
           std::any_of(servers_.begin(), servers_.end(),
                       [&](const Server &server) { return mayHaveDerivedName(server, options); });
}

bool Grants::coversFolder(const Options &options) const {
    if (everything() || (options.user.empty() && options.group.empty() && options.startCommand.empty())) {
        return true;
    }
    return std::any_of(servers_.begin(), servers_.end(), [&](const Server &server) {
        return grantsAll(server, options) && covers(server, options.appRoot);
    });
}

bool Grants::allowsVariable(const std::string &name, const std::string &value) const {
    return everything() || !isLoaders(name) || std::any_of(servers_.begin(), servers_.end(), [&](const Server &server) {
               return has(server, "variable", name + "=" + value);
           });
}

bool Grants::grantsGroup(const std::string &group) const {
    return everything() || std::any_of(servers_.begin(), servers_.end(), [&](const Server &server) {
               return has(server, "group", group) || has(server, "group", ANY_GROUP);
           });
}

}  // namespace Passenger
