#pragma once

#include "apache2/config/Directive.h"

namespace Passenger::Directives {

inline constexpr std::array SERVER{
    Directive{"PassengerRoot", Context::GLOBAL, path(&Settings::root), "where it was installed",
              "folder with passenger-agent and lib/"},
    Directive{"PassengerDefaultRuby", Context::GLOBAL, text(&Settings::defaultRuby), "ruby",
              "Ruby of the spawn server, and of applications that name none; a path, or a name to be found in PATH"},
    Directive{"PassengerDefaultUser", Context::GLOBAL, text(&Settings::defaultUser), "nobody",
              "runs applications that would run as root, or whose owner or PassengerUser is unknown"},
    Directive{"PassengerDefaultGroup", Context::GLOBAL, text(&Settings::defaultGroup), "that user's primary group",
              "the group for the same case"},
    Directive{"PassengerUserSwitching", Context::GLOBAL, flag(&Settings::userSwitching), "On",
              "each application runs as its own user, which needs httpd to be started by root. Off: all of them run as "
              "PassengerDefaultUser"},
    Directive{"PassengerLogLevel", Context::GLOBAL, number(&Settings::logLevel, 0, 7), "3",
              "0 critical, 1 errors, 2 warnings, 3 notices, 4 information, 5 to 7 debugging"},
    Directive{"PassengerLogFile",
              Context::GLOBAL,
              path(&Settings::logFile),
              "httpd's error log",
              "where the agent and the applications write",
              {"PassengerDebugLogFile"}},
    Directive{"PassengerDisableLogPrefix", Context::GLOBAL, flag(&Settings::disableLogPrefix), "Off",
              "lines that applications write come without \"App PID output:\" before them"},
    Directive{
        "PassengerFileDescriptorLogFile", Context::GLOBAL, path(&Settings::fileDescriptorLogFile), "none",
        "file to which the pool process appends a list of its open descriptors at its start, at each reload and every "
        "minute, for debugging; a regular file of root, or of the user that starts httpd"},
    Directive{"PassengerSocketBacklog", Context::GLOBAL, number(&Settings::socketBacklog, 0, MANY), "2048",
              "connections that may wait on the socket on which commands ask the agent; the kernel allows no more than "
              "net.core.somaxconn"},
    Directive{"PassengerMaxPoolSize", Context::GLOBAL, number(&Settings::maxPoolSize, 1, MANY), "6",
              "instances of all applications together"},
    Directive{"PassengerMaxInstancesPerApp", Context::GLOBAL, number(&Settings::maxInstancesPerApp, 0, MANY), "0",
              "most instances of any one application; 0: no limit but PassengerMaxPoolSize"},
    Directive{"PassengerPoolIdleTime", Context::GLOBAL, number(&Settings::poolIdleTime, 0, LONG_TIME), "300",
              "seconds after which an instance that was not needed ends; 0: never"},
    Directive{"PassengerStatThrottleRate", Context::GLOBAL, number(&Settings::statThrottleRate, 0, LONG_TIME), "10",
              "most seconds until a look at restart files; where inotify works they are looked at as soon as they "
              "change. 0: 20 looks a second, without inotify"},
    Directive{
        "PassengerPreStart", Context::GLOBAL, list(&Settings::preStart, Form::URL), "none",
        "URL whose application is started with httpd, instead of at its first request: httpd is asked for it "
        "(HEAD), and "
        "again at a reload unless it was answered with a status below 500 (OPERATIONS.md). It has no user or password"},
    Directive{
        "PassengerTurbocaching", Context::GLOBAL, flag(&Settings::turbocaching), "On",
        "small responses that allow it by Cache-Control are kept in memory, and given to others who ask for the same "
        "(COMPATIBILITY.md)"},
    Directive{"PassengerShowVersionInHeader", Context::GLOBAL, flag(&Settings::showVersionInHeader), "On",
              "the version is in the header X-Powered-By"},
    Directive{
        "PassengerDataBufferDir", Context::GLOBAL, path(&Settings::dataBufferDir), "/var/tmp",
        "folder for bodies that are too large for memory. They are in files without a name, which are gone when their "
        "request is, however it ends. httpd's user must be allowed to write there"},
    Directive{"PassengerResponseBufferHighWatermark", Context::GLOBAL,
              number(&Settings::responseBufferHighWatermark, 0, INT_MAX), "134217728",
              "bytes of a response that are kept for a slow client, in memory and on disk; then the application is "
              "slowed down"},
    Directive{"PassengerInstanceRegistryDir", Context::GLOBAL, path(&Settings::instanceRegistryDir),
              "httpd's DefaultRuntimeDir",
              "folder in which commands find running agents. It belongs to root, or to the user that starts httpd, and "
              "others "
              "may not write there, unless it is sticky as /tmp; it is made if it is missing"},
    Directive{
        "PassengerSpawnDir", Context::GLOBAL, path(&Settings::spawnDir), "/tmp",
        "folder for what a start needs on disk: the private folders in which applications that speak HTTP have their "
        "sockets. All of their users must be allowed to make folders there, as in /tmp; it is made if it is missing. "
        "It belongs to root, "
        "or to the user that starts httpd, and is sticky if others may write there"},
    Directive{"PassengerCtl", Context::GLOBAL, list(&Settings::ctl, Form::PAIR), "none",
              "another way to say a directive of this table: PassengerCtl max_pool_size 12 is PassengerMaxPoolSize 12. "
              "With another name it has no effect, and the log says so"},
    Directive{"PassengerDumpConfigManifest", Context::GLOBAL, path(&Settings::dumpConfigManifest), "none",
              "file into which httpd writes at each start and reload what the configuration says for the main server "
              "and each "
              "virtual host, as JSON; only its owner may read it"},
};

}  // namespace Passenger::Directives
