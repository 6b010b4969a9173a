#include "spawning/SpawnPlan.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace Passenger {

namespace {

/** Frameworks and people look for the environment's name in these variables. */
constexpr const char *ENVIRONMENT_NAMES[] = {"RAILS_ENV", "RACK_ENV", "NODE_ENV", "WSGI_ENV", "PASSENGER_APP_ENV"};

/**
 * Ruby reads these variables only at its start. An instance writes to its free slots, and then no
 * longer shares their pages. With these values it has few free slots. They are in pages of its own
 * if the preloader has filled the gaps in the shared ones (lib/passenger/app/shared_heap.rb).
 *
 * The values limit each other, so all of them are set or none: one variable of the administrator
 * replaces all. doc/PERFORMANCE.md, "Memory", has measurements.
 */
constexpr std::pair<const char *, const char *> SMALL_HEAP[] = {{"RUBY_GC_HEAP_GROWTH_FACTOR", "1.1"},
                                                                {"RUBY_GC_HEAP_FREE_SLOTS_MIN_RATIO", "0.1"},
                                                                {"RUBY_GC_HEAP_FREE_SLOTS_GOAL_RATIO", "0.2"},
                                                                {"RUBY_GC_HEAP_FREE_SLOTS_MAX_RATIO", "0.3"}};

/**
 * Whether an application inherits a variable of the agent's environment. All others concern httpd
 * or may be secret.
 */
bool isInherited(std::string_view name) {
    return name == "PATH" || name == "TZ" || name == "LANG" || name == "LANGUAGE" || name.starts_with("LC_");
}

/**
 * Whether a value is meant for applications. Debian starts httpd with LANG=C for httpd's own log;
 * the spawn server has a better default.
 */
bool isMeant(std::string_view name, std::string_view value) {
    return name == "PATH" || name == "TZ" || (value != "C" && value != "POSIX");
}

Options::Variables inheritedVariables() {
    Options::Variables result;
    for (char **entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view variable = *entry;
        const auto equals = variable.find('=');
        if (equals == std::string_view::npos) {
            continue;
        }
        const auto name = variable.substr(0, equals);
        const auto value = variable.substr(equals + 1);
        if (isInherited(name) && isMeant(name, value)) {
            result.emplace(name, value);
        }
    }
    return result;
}

}  // namespace

SpawnPlan::SpawnPlan(const Options &options, RunAs whom, const Options::Variables &variables)
    : appType(options.appType),
      startupFile(options.startupFile),
      appCallable(options.appCallable),
      interpreter(options.runsPython() ? options.python : options.ruby),
      runsPython(options.runsPython()),
      runAs(std::move(whom)),
      loginShell(options.loadShellEnvvars),
      environment(inheritedVariables()) {
    for (const char *name : ENVIRONMENT_NAMES) {
        environment[name] = options.environment;
    }
    environment["IN_PASSENGER"] = "1";
    if (options.preloadBundler) {
        // Ruby reads this variable before the process gets the application's options.
        environment["PASSENGER_PRELOAD_BUNDLER"] = options.appRoot;
    }
    // Last, so that the administrator's variables override all others.
    for (const auto &[name, value] : variables) {
        environment[name] = value;
    }
    // The spawn server enters this folder. httpd's children choose no other one.
    environment["PWD"] = options.appRoot;
    const bool ownHeap = std::any_of(environment.begin(), environment.end(),
                                     [](const auto &entry) { return entry.first.starts_with("RUBY_GC_HEAP_"); });
    smallHeap = options.reforkAfter > 0 && !runsPython && !ownHeap;
}

StartRequest SpawnPlan::request(StartRequest::Role role) const {
    if (runsPython) {
        role = role == StartRequest::Role::PRELOADER ? StartRequest::Role::PYTHON_PRELOADER
                                                     : StartRequest::Role::PYTHON_INSTANCE;
    }
    StartRequest request{role, interpreter, runAs.user, runAs.group, loginShell, environment};
    if (smallHeap && role == StartRequest::Role::PRELOADER) {
        request.environment.insert(std::begin(SMALL_HEAP), std::end(SMALL_HEAP));
    }
    return request;
}

}  // namespace Passenger
