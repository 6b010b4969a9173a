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

constexpr const char *ENVIRONMENT = "environment";

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
    GrantField{ENVIRONMENT, "PassengerAppEnv", &Options::environment, {"production"}},
    GrantField{"instance_address", "PassengerDirectInstanceRequestAddress", &Options::instanceAddress, {"127.0.0.1"}},
    GrantField{"log_file", "PassengerAppLogFile", &Options::logFile},
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
constexpr const char *FIXED = "fixed";

/** A part of an application's name, beside its folder. */
struct NamePart {
    const char *key;
    std::string Options::*option;
    /** The value where no directive sets one. */
    const char *fallback;
};

constexpr std::array NAME_PARTS{NamePart{"user", &Options::user, ""}, NamePart{"group", &Options::group, ""},
                                NamePart{ENVIRONMENT, &Options::environment, "production"}};

constexpr const char *DOCUMENT_ROOT = "document_root";
constexpr const char *APP_ROOT = "app_root";
constexpr const char *ANY = "any";
/** Of a .htaccess file, which an AllowOverrideList can let have these directives. */
constexpr const char *ANY_NAME = "name";

/**
 * Variables that decide which code a loader, a library, an interpreter, a shell or a framework runs
 * (ld.so(8), ruby(1), node(1), python(1), bash(1), zsh(1), perlrun(1), java(1), openssl-env(7), the
 * manuals of Bundler and Bootsnap), whose certificates are trusted, the environment's name
 * (PassengerAppEnv), and those of the agent itself. A name with a star stands for all with this
 * beginning.
 */
constexpr std::array LOADERS = std::to_array<std::string_view>({
    // clang-format off
    "LD_*", "GLIBC_*", "MALLOC_*", "GCONV_PATH", "LOCPATH", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES",
    "RUBYOPT", "RUBYLIB", "RUBYSHELL", "RUBY_ROOT", "GEM_*", "BUNDLE_*", "BUNDLER_*", "BOOTSNAP_CACHE_DIR",
    "NODE_*", "NPM_CONFIG_*", "PYTHON*", "PERL*",
    "PATH", "HOME", "SHELL", "BASH_ENV", "ENV", "BASH_FUNC*", "SHELLOPTS", "IFS", "ZDOTDIR",
    "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "PHPRC", "PHP_INI_SCAN_DIR", "LUA_INIT*",
    "ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS", "ERL_LIBS", "DOTNET_STARTUP_HOOKS",
    "LIBMYSQL_*", "MARIADB_PLUGIN_DIR", "SASL_*", "KRB5_CONFIG", "ODBC*", "GIO_*", "MAGICK_*", "GIT_*",
    "SSL_CERT_*", "SSLKEYLOGFILE", "DJANGO_SETTINGS_MODULE",
    "RAILS_ENV", "RACK_ENV", "WSGI_ENV", "PASSENGER_APP_ENV",
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

bool hasDerivedName(const Options &options) {
    return options.appGroupName.empty() || options.appGroupName == derivedName(options);
}

bool needsNoName(const GrantField &field, const Options &options) {
    const std::string &value = options.*field.option;
    if (field.option == &Options::appGroupName) {
        return hasDerivedName(options);
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
            servers_.emplace_back().places.emplace_back();
        } else if (line == "section" && !servers_.empty()) {
            servers_.back().places.emplace_back();
        } else if (!servers_.empty() && space != std::string::npos) {
            add(servers_.back(), line.substr(0, space), line.substr(space + 1));
        }
    }
    index();
}

void Grants::add(Server &server, const std::string &key, const std::string &value) {
    server.values[key].insert(value);
    if (std::any_of(FIELDS.begin(), FIELDS.end(), [&](const GrantField &field) { return field.key == key; })) {
        server.places.back()[key].insert(value);
    }
}

bool Grants::has(const Values &values, const std::string &key, const std::string &value) {
    const auto found = values.find(key);
    return found != values.end() && found->second.contains(value);
}

bool Grants::grants(const Server &server, const std::string &key, const std::string &value) const {
    return has(server, key, value) || has(servers_.front(), key, value);
}

bool Grants::isGranted(const std::string &key, const std::string &value) const {
    return std::any_of(servers_.begin(), servers_.end(), [&](const Server &server) { return has(server, key, value); });
}

bool Grants::grantsAll(const Server &server, const Options &options) const {
    const bool anyName = has(servers_.front(), ANY, ANY_NAME);
    return std::all_of(FIELDS.begin(), FIELDS.end(),
                       [&](const GrantField &field) {
                           return grants(server, field.key, options.*field.option) ||
                                  (needsNoName(field, options) && !grants(server, FIXED, field.key)) ||
                                  (anyName && field.option == &Options::environment);
                       }) &&
           grantsLimits(server, options) && fitsTogether(server, options);
}

/**
 * Whether the merge of some places can have these values. Of two values, that of the inner place
 * comes from a place that does not set the other one differently. Which place is the inner one is
 * not known.
 */
bool Grants::fitsTogether(const Server &server, const Options &options) const {
    const auto overlays = [&](const Values &place, const GrantField &one, const GrantField &other) {
        return has(place, one.key, options.*one.option) &&
               (!place.contains(other.key) || has(place, other.key, options.*other.option));
    };
    const auto fit = [&](const GrantField &one, const GrantField &other) {
        const auto anyOf = [&](const Server &named) {
            return std::any_of(named.places.begin(), named.places.end(), [&](const Values &place) {
                return overlays(place, one, other) || overlays(place, other, one);
            });
        };
        return anyOf(server) || anyOf(servers_.front());
    };
    for (auto one = FIELDS.begin(); one != FIELDS.end(); ++one) {
        for (auto other = one + 1; other != FIELDS.end(); ++other) {
            if (!needsNoName(*one, options) && !needsNoName(*other, options) && !fit(*one, *other)) {
                return false;
            }
        }
    }
    return true;
}

bool Grants::grantsLimits(const Server &server, const Options &options) const {
    return std::all_of(LIMITS.begin(), LIMITS.end(), [&](const LimitField &field) {
        return grants(server, field.key, std::to_string(options.*field.option)) ||
               (field.isDefault(options) && !grants(server, LIMITED, field.key));
    });
}

std::optional<std::string> Grants::limitRefusal(const Options &options) const {
    const auto limits = [](const Server &server) { return server.values.contains(LIMITED); };
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
    const auto one = [&](const Server &server) {
        return mayHaveFolder(server, options.appRoot) && grantsAll(server, options);
    };
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
        "command \"{}\", environment \"{}\", folder \"{}\"). If requests lead to the folder, set PassengerAppRoot to "
        "it in their place. Otherwise a process that asks for it was taken over, or has another configuration",
        options.user, options.group, options.startCommand, options.environment, options.appRoot);
}

/** Whether requests of the virtual host can lead to the folder, or links or .htaccess files decide
 *  about it. */
bool Grants::mayHaveFolder(const Server &server, const std::string &folder) const {
    const Server &main = servers_.front();
    return server.folders.contains(folder) || has(main, APP_ROOT, folder) || main.values.contains(ANY) ||
           followsLinks(main) || followsLinks(server);
}

bool Grants::covers(const Server &server, const std::string &folder) const {
    return server.folders.contains(folder) || has(servers_.front(), APP_ROOT, folder) ||
           foldersBehindLinks(server).contains(folder);
}

std::set<std::string> Grants::foldersBehindLinks(const Server &server) const {
    std::set<std::string> folders;
    const auto roots = server.values.find(DOCUMENT_ROOT);
    if (roots == server.values.end()) {
        return folders;
    }
    for (const std::string &root : roots->second) {
        folders.insert(parentBehindLinks(root));
        for (const Server *named : {&server, &servers_.front()}) {
            const auto uris = named->values.find("base_uri");
            if (uris != named->values.end()) {
                for (const std::string &uri : uris->second) {
                    folders.insert(parentBehindLinks(root + uri));
                }
            }
        }
    }
    folders.erase("");
    return folders;
}

std::set<std::string> Grants::namedFolders(const Options &options) const {
    std::set<std::string> folders;
    for (const Server &server : servers_) {
        if (grantsAll(server, options)) {
            folders.insert(server.folders.begin(), server.folders.end());
            folders.merge(foldersBehindLinks(server));
        }
    }
    return folders;
}

void Grants::index() {
    for (std::size_t number = 0; number < servers_.size(); ++number) {
        Server &server = servers_[number];
        if (followsLinks(server)) {
            following_.push_back(number);
        }
        if (const auto roots = server.values.find(DOCUMENT_ROOT); roots != server.values.end()) {
            for (const std::string &root : roots->second) {
                server.folders.insert(parentOf(root));
            }
        }
        if (const auto folders = server.values.find(APP_ROOT); folders != server.values.end()) {
            server.folders.insert(folders->second.begin(), folders->second.end());
        }
        for (const std::string &folder : server.folders) {
            byFolder_[folder].push_back(number);
        }
    }
}

bool Grants::followsLinks(const Server &server) {
    return server.values.contains("base_uri") || has(server, "resolve_symlinks", "On");
}

bool Grants::mayHaveNameParts(const Server &server, const Options &options) const {
    return std::all_of(NAME_PARTS.begin(), NAME_PARTS.end(), [&](const NamePart &part) {
        const std::string &value = options.*part.option;
        return grants(server, part.key, value) || (value == part.fallback && !grants(server, FIXED, part.key));
    });
}

bool Grants::mayHaveDerivedName(const Options &options) const {
    const auto mayHaveParts = [&](std::size_t number) { return mayHaveNameParts(servers_[number], options); };
    const Server &main = servers_.front();
    if (followsLinks(main) || has(main, ANY, "folder") || has(main, APP_ROOT, options.appRoot)) {
        return std::any_of(servers_.begin(), servers_.end(),
                           [&](const Server &server) { return mayHaveNameParts(server, options); });
    }
    const auto known = byFolder_.find(options.appRoot);
    return std::any_of(following_.begin(), following_.end(), mayHaveParts) ||
           (known != byFolder_.end() && std::any_of(known->second.begin(), known->second.end(), mayHaveParts));
}

bool Grants::hasName(const Options &options) const {
    if (everything()) {
        return true;
    }
    if (hasDerivedName(options) && !has(servers_.front(), ANY, ANY_NAME)) {
        return mayHaveDerivedName(options);
    }
    return std::none_of(FIELDS.begin(), FIELDS.end(), [&](const GrantField &field) {
        const bool isPartOfName =
            field.option == &Options::user || field.option == &Options::group || field.option == &Options::appGroupName;
        return isPartOfName && !needsNoName(field, options) && !isGranted(field.key, options.*field.option);
    });
}

bool Grants::coversFolder(const Options &options) const {
    if (everything() ||
        (options.user.empty() && options.group.empty() && options.startCommand.empty() && hasDerivedName(options))) {
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
