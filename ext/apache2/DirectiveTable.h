#pragma once

#include <array>
#include <climits>
#include <span>
#include <variant>

#include "Settings.h"

namespace Passenger::Directives {

/** Where a directive may stand. */
enum class Context {
    /** The main server, outside of any section. */
    GLOBAL,
    /** Main server, virtual host, Directory, Location. */
    APPLICATION,
    /** The same, and .htaccess. */
    LOCAL
};

/** How a text value is understood. */
enum class Form {
    PLAIN,
    /** A path; relative ones begin at ServerRoot. */
    PATH,
    /** One of Field::choices. */
    CHOICE
};

/** One allowed word and what it means. */
struct Choice {
    const char *word;
    const char *meaning;
};

inline constexpr std::array<Choice, 4> SPAWN_METHODS{{
    {"smart", "smart"},
    {"direct", "direct"},
    {"conservative", "direct"},
    {"smart-lv2", "smart"},
}};

inline constexpr std::array<Choice, 5> APP_TYPES{{
    {"rack", "rack"},
    {"ruby", "rack"},
    {"wsgi", "wsgi"},
    {"python", "wsgi"},
    {"node", "node"},
}};

/** The member of Settings that a directive sets, and which values it takes. */
struct Field {
    std::variant<Settings::Text Settings::*, Settings::Number Settings::*, Settings::Flag Settings::*> member;
    Form form = Form::PLAIN;
    int least = 0;
    int most = INT_MAX;
    std::span<const Choice> choices{};
};

constexpr Field text(Settings::Text Settings::*member) {
    return {member};
}
constexpr Field path(Settings::Text Settings::*member) {
    return {member, Form::PATH};
}
constexpr Field choice(Settings::Text Settings::*member, std::span<const Choice> choices) {
    return {member, Form::CHOICE, 0, INT_MAX, choices};
}
constexpr Field number(Settings::Number Settings::*member, int least, int most) {
    return {member, Form::PLAIN, least, most};
}
constexpr Field flag(Settings::Flag Settings::*member) {
    return {member};
}

struct Directive {
    const char *name;
    Context context;
    Field field;
    const char *fallback;
    const char *meaning;
    std::array<const char *, 2> aliases{};
};

inline constexpr int MANY = 1'000'000;
inline constexpr int LONG_TIME = 365 * 24 * 3600;

// One row for each directive: it drives parsing, the messages, merging and the aliases.
inline constexpr std::array TABLE{
    // Server
    Directive{"PassengerRoot", Context::GLOBAL, path(&Settings::root), PASSENGER_DEFAULT_ROOT,
              "where the agent and lib/ are"},
    Directive{"PassengerDefaultRuby", Context::GLOBAL, text(&Settings::defaultRuby), "ruby",
              "interpreter when an application names none"},
    Directive{"PassengerDefaultUser", Context::GLOBAL, text(&Settings::defaultUser), "nobody",
              "runs applications instead of root or of an unknown owner"},
    Directive{"PassengerDefaultGroup", Context::GLOBAL, text(&Settings::defaultGroup),
              "the default user's primary group", "group for the same case"},
    Directive{"PassengerUserSwitching", Context::GLOBAL, flag(&Settings::userSwitching), "on",
              "each application runs as its own user; off: all of them as the default user"},
    Directive{"PassengerLogLevel", Context::GLOBAL, number(&Settings::logLevel, 0, 7), "3",
              "0 critical, 3 notice, 7 all of debugging"},
    Directive{"PassengerLogFile",
              Context::GLOBAL,
              path(&Settings::logFile),
              "httpd's error log",
              "agent's and applications' output",
              {"PassengerDebugLogFile"}},
    Directive{"PassengerMaxPoolSize", Context::GLOBAL, number(&Settings::maxPoolSize, 1, MANY), "6",
              "instances of all applications together"},
    Directive{"PassengerMaxInstancesPerApp", Context::GLOBAL, number(&Settings::maxInstancesPerApp, 0, MANY), "0",
              "instances of one application; 0: no limit but PassengerMaxPoolSize"},
    Directive{"PassengerPoolIdleTime", Context::GLOBAL, number(&Settings::poolIdleTime, 0, LONG_TIME), "300",
              "seconds after which an idle instance ends; 0: never"},
    Directive{"PassengerStatThrottleRate", Context::GLOBAL, number(&Settings::statThrottleRate, 0, LONG_TIME), "10",
              "seconds between looks at restart files"},
    Directive{"PassengerDataBufferDir", Context::GLOBAL, path(&Settings::dataBufferDir), "/var/tmp",
              "where large bodies are kept, in files without a name"},
    Directive{"PassengerResponseBufferHighWatermark", Context::GLOBAL,
              number(&Settings::responseBufferHighWatermark, 0, INT_MAX), "134217728",
              "bytes of an answer that are kept for a slow client before the application has to wait"},

    // Application
    Directive{"PassengerRuby", Context::APPLICATION, text(&Settings::ruby), "PassengerDefaultRuby", "interpreter"},
    Directive{"PassengerPython", Context::APPLICATION, text(&Settings::python), "python3",
              "interpreter of WSGI applications"},
    Directive{"PassengerNodejs", Context::APPLICATION, text(&Settings::nodejs), "node",
              "interpreter of Node applications"},
    Directive{"PassengerAppType", Context::APPLICATION, choice(&Settings::appType, APP_TYPES), "by the startup file",
              "rack, wsgi or node"},
    Directive{"PassengerStartupFile", Context::APPLICATION, text(&Settings::startupFile),
              "config.ru, passenger_wsgi.py or app.js", "the file that is the application, in its folder"},
    Directive{"PassengerAppStartCommand", Context::APPLICATION, text(&Settings::appStartCommand), "none",
              "a command that serves HTTP on $PORT, in whatever language"},
    Directive{"PassengerDirectInstanceRequestAddress", Context::APPLICATION, text(&Settings::instanceAddress),
              "127.0.0.1", "IP address that such an application listens on"},
    Directive{
        "PassengerForceMaxConcurrentRequestsPerProcess", Context::APPLICATION,
        number(&Settings::maxConcurrentRequests, -1, INT_MAX), "-1",
        "requests that an instance that speaks HTTP gets at once; 0: as many as possible; -1: 1, but 32 for Node"},
    Directive{"PassengerAppRoot", Context::APPLICATION, path(&Settings::appRoot), "the parent of DocumentRoot",
              "the application's folder"},
    Directive{"PassengerAppEnv",
              Context::APPLICATION,
              text(&Settings::appEnv),
              "production",
              "RAILS_ENV, RACK_ENV",
              {"RailsEnv", "RackEnv"}},
    Directive{"PassengerMinInstances", Context::APPLICATION, number(&Settings::minInstances, 0, MANY), "1",
              "instances kept even when idle"},
    Directive{"PassengerMaxInstances", Context::APPLICATION, number(&Settings::maxInstances, 0, MANY), "0",
              "instances of this application; 0: no limit of its own"},
    Directive{"PassengerStartInstances", Context::APPLICATION, number(&Settings::startInstances, 0, MANY), "0",
              "instances that start together when the application has none; 0: as many as there are requests for"},
    Directive{"PassengerMaxRequests", Context::APPLICATION, number(&Settings::maxRequests, 0, INT_MAX), "0",
              "requests after which an instance is replaced; 0: never"},
    Directive{"PassengerMemoryLimit", Context::APPLICATION, number(&Settings::memoryLimit, 0, MANY), "0",
              "MB of memory above which an instance is replaced; 0: never"},
    Directive{"PassengerUser", Context::APPLICATION, text(&Settings::user), "owner of the startup file",
              "user that the application runs as"},
    Directive{"PassengerGroup", Context::APPLICATION, text(&Settings::group), "the user's primary group",
              "group that it runs as"},
    Directive{"PassengerStartTimeout", Context::APPLICATION, number(&Settings::startTimeout, 1, LONG_TIME), "90",
              "seconds in which an instance must have started"},
    Directive{"PassengerSpawnMethod",
              Context::APPLICATION,
              choice(&Settings::spawnMethod, SPAWN_METHODS),
              "smart",
              "smart or direct",
              {"RailsSpawnMethod"}},
    Directive{"PassengerLoadShellEnvvars", Context::APPLICATION, flag(&Settings::loadShellEnvvars), "on",
              "the user's login shell reads its profile before the application is started"},
    Directive{"PassengerPreloadBundler", Context::APPLICATION, flag(&Settings::preloadBundler), "off",
              "sets up Bundler before anything else is loaded into the application's process"},
    Directive{"PassengerMaxPreloaderIdleTime",
              Context::APPLICATION,
              number(&Settings::maxPreloaderIdleTime, 0, LONG_TIME),
              "300",
              "seconds after which a preloader that forked nothing ends; 0: never",
              {"RailsAppSpawnerIdleTime"}},
    Directive{
        "PassengerReforkAfter", Context::APPLICATION, number(&Settings::reforkAfter, 0, INT_MAX), "0",
        "requests after which a warmed instance makes the preloader that the next ones share memory with; 0: never"},
    Directive{"PassengerThreadCount", Context::APPLICATION, number(&Settings::threadCount, 1, 1024), "1",
              "threads of an instance"},
    Directive{"PassengerRestartDir", Context::APPLICATION, text(&Settings::restartDir), "tmp",
              "where restart.txt is looked for"},
    Directive{"PassengerRollingRestarts", Context::APPLICATION, flag(&Settings::rollingRestarts), "on",
              "off: a restart does not keep the old version until the new one serves"},
    Directive{"PassengerResistDeploymentErrors", Context::APPLICATION, flag(&Settings::resistDeploymentErrors), "on",
              "nothing of its own: a rolling restart always does"},
    Directive{"PassengerCustomErrorPage", Context::APPLICATION, path(&Settings::customErrorPage), "a plain page",
              "HTML file that is shown when an application does not start or is overloaded"},

    // Request
    Directive{"PassengerEnabled", Context::LOCAL, flag(&Settings::enabled), "on", "off: httpd alone serves this place"},
    Directive{"PassengerFriendlyErrorPages", Context::LOCAL, flag(&Settings::friendlyErrorPages),
              "on with PassengerAppEnv development", "the page of an application that does not start says why"},
    Directive{"PassengerBufferUpload", Context::LOCAL, flag(&Settings::bufferUpload), "on",
              "a request is queued when its body is here; off: the application reads it while it comes"},
    Directive{"PassengerBufferResponse", Context::LOCAL, flag(&Settings::bufferResponse), "off",
              "an answer is here before the client sees any of it"},
    Directive{"PassengerMaxRequestQueueSize", Context::LOCAL, number(&Settings::maxRequestQueueSize, 0, INT_MAX), "100",
              "requests that may wait, one more is answered with 503; 0: no limit"},
    Directive{"PassengerMaxRequestQueueTime", Context::LOCAL, number(&Settings::maxRequestQueueTime, 0, LONG_TIME), "0",
              "seconds after which a request that waits is answered with 504; 0: never"},
};

}  // namespace Passenger::Directives
