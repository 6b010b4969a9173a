#pragma once

#include "apache2/config/Directive.h"

namespace Passenger::Directives {

inline constexpr std::array SERVER{
    Directive{"PassengerRoot", Context::GLOBAL, text(&Settings::root, Form::ROOT).readBy(Reader::HTTPD),
              "where it was installed", "folder with passenger-agent and lib/"},
    Directive{"PassengerDefaultRuby", Context::GLOBAL, text(&Settings::defaultRuby).sets(&AgentSettings::rubyCommand),
              "ruby",
              "Ruby of the spawn servers, and of applications without PassengerRuby; a path, or a name to be found in "
              "PATH. It "
              "runs as the users of applications, so each of them must be allowed to execute it"},
    Directive{"PassengerDefaultUser", Context::GLOBAL, text(&Settings::defaultUser).sets(&AgentSettings::defaultUser),
              "nobody", "user of applications that would run as root, or whose owner or PassengerUser is unknown"},
    Directive{"PassengerDefaultGroup", Context::GLOBAL,
              text(&Settings::defaultGroup).sets(&AgentSettings::defaultGroup), "that user's primary group",
              "group of the same applications"},
    Directive{"PassengerUserSwitching", Context::GLOBAL,
              flag(&Settings::userSwitching).sets(&AgentSettings::userSwitching), "On",
              "each application runs as its own user, which needs httpd to be started by root. Off: all of them run as "
              "PassengerDefaultUser"},
    Directive{
        "PassengerAgentUser", Context::GLOBAL, text(&Settings::agentUser).sets(&AgentSettings::agentUser),
        "a number that nobody has",
        "user of the agent's pool process, if root starts httpd. Another program that runs as this user can "
        "disturb the agent: so it is neither httpd's user nor that of an application, and the default is a number from "
        "61184 to 65519 that no account and no process has"},
    Directive{"PassengerSeccomp", Context::GLOBAL, choice(&Settings::seccomp, SECCOMP_MODES).readBy(Reader::AGENT),
              "on",
              "what happens to system calls that processes of the agent should not need (SECURITY.md). on: the kernel "
              "refuses them, and ends the process at some of them. log: the kernel logs them, and refuses nothing. "
              "off: nothing"},
    Directive{"PassengerLogLevel", Context::GLOBAL, number(&Settings::logLevel, 0, 7).sets(&AgentSettings::logLevel),
              "3", "0 critical, 1 errors, 2 warnings, 3 notices, 4 information, 5 to 7 debugging"},
    Directive{"PassengerLogFile",
              Context::GLOBAL,
              text(&Settings::logFile, Form::LOG).sets(&AgentSettings::logFile),
              "httpd's error log",
              "log of the agent and the applications: a file; a program that reads it, as |COMMAND or |$COMMAND of "
              "httpd's ErrorLog; syslog, with the facility local7 or another one; or systemd's journal (OPERATIONS.md)",
              {"PassengerDebugLogFile"}},
    Directive{"PassengerLogFormat", Context::GLOBAL,
              choice(&Settings::logFormat, LOG_FORMATS).sets(&AgentSettings::logFormat), "text",
              "json: each line of the same log is one JSON object with the event's fields (EVENTS.md)"},
    Directive{
        "PassengerOnEvent", Context::GLOBAL, text(&Settings::onEvent).sets(&AgentSettings::onEvent), "none",
        "command that /bin/sh runs, as PassengerDefaultUser, when an application does not start, crashes again and "
        "again, fails to deploy, or has a full queue (OPERATIONS.md)"},
    Directive{"PassengerDisableLogPrefix", Context::GLOBAL, flag(&Settings::disableLogPrefix).readBy(Reader::AGENT),
              "Off", "the lines of applications have no \"App PID output:\" before them"},
    Directive{
        "PassengerFileDescriptorLogFile", Context::GLOBAL,
        text(&Settings::fileDescriptorLogFile, Form::PATH).sets(&AgentSettings::descriptorLogFile), "none",
        "file to which the pool process appends a list of its open descriptors at its start, at each reload and every "
        "minute, for debugging; a regular file of root, or of the user that starts httpd"},
    Directive{"PassengerSocketBacklog", Context::GLOBAL,
              number(&Settings::socketBacklog, 0, MANY).sets(&AgentSettings::socketBacklog), "2048",
              "connections that may wait on the socket on which commands ask the agent; the kernel allows no more than "
              "net.core.somaxconn"},
    Directive{"PassengerAgentTimeout", Context::GLOBAL,
              number(&Settings::agentTimeout, 0, LONG_TIME, Form::SECONDS).sets(&AgentSettings::agentTimeout), "5",
              "seconds without an answer of its event loop after which the pool process is killed and started again; "
              "up to twelve times that while the process is ready to run and the processors have no time for it; a "
              "process that starts has at least 60 s until it serves; 0: never"},
    Directive{
        "PassengerMaxHijackedConnections", Context::GLOBAL,
        number(&Settings::maxHijackedConnections, 0, MANY).readBy(Reader::HTTPD), "three quarters of the threads",
        "most connections of one application (WebSockets, rack.hijack, event streams) that one httpd child passes on; "
        "each occupies a thread. A further one is refused with 503; 0: no limit. Connections that the application has "
        "got (PassengerTransferConnections) do not count"},
    Directive{"PassengerMaxSlowClients", Context::GLOBAL,
              number(&Settings::maxSlowClients, 0, MANY).readBy(Reader::HTTPD), "three quarters of the threads",
              "most clients of one application in one httpd child for which a thread waits, since the files of "
              "PassengerDataBufferDir may not grow. The connection of a further one is cut; 0: no limit"},
    Directive{"PassengerMaxPoolSize", Context::GLOBAL,
              number(&Settings::maxPoolSize, 1, MANY).sets(&AgentSettings::maxPoolSize), "6",
              "instances of all applications together"},
    Directive{"PassengerMaxInstancesPerApp", Context::GLOBAL,
              number(&Settings::maxInstancesPerApp, 0, MANY).sets(&AgentSettings::maxInstancesPerApp), "0",
              "most instances of any one application; 0: no limit but PassengerMaxPoolSize"},
    Directive{"PassengerPoolIdleTime", Context::GLOBAL,
              number(&Settings::poolIdleTime, 0, LONG_TIME, Form::SECONDS).sets(&AgentSettings::poolIdleTime), "300",
              "seconds without a request after which an instance that is not needed ends; 0: never"},
    Directive{"PassengerMaxAppIdleTime", Context::GLOBAL,
              number(&Settings::maxAppIdleTime, 0, LONG_TIME, Form::SECONDS).sets(&AgentSettings::maxAppIdleTime),
              "3600",
              "seconds without an instance and without a request after which the agent forgets an application, such as "
              "an earlier release with PassengerResolveSymlinksInDocumentRoot; its next request makes it known again. "
              "0: never"},
    Directive{"PassengerMaxChildConnections", Context::GLOBAL,
              number(&Settings::maxChildConnections, 4, MANY).sets(&AgentSettings::maxChildConnections), "1024",
              "most connections of one httpd child to the agent; it needs three. A further one is closed"},
    Directive{
        "PassengerMaxChildChannels", Context::GLOBAL,
        number(&Settings::maxChildChannels, 1, 4096).sets(&AgentSettings::maxChildChannels), "4096",
        "most reply channels of one httpd child: requests at once, and channels that wait for further ones. Beyond "
        "them the child closes unused ones, and a request that still needs a further one gets 503"},
    Directive{
        "PassengerMaxChildApps", Context::GLOBAL,
        number(&Settings::maxChildApps, 1, 4096).sets(&AgentSettings::maxChildApps), "2048",
        "most applications of which one httpd child may have reply channels, so that no child keeps the agent from "
        "forgetting unused applications. Beyond them it closes unused channels, and a request that still needs a "
        "further one gets 503"},
    Directive{"PassengerStatThrottleRate", Context::GLOBAL,
              number(&Settings::statThrottleRate, 0, LONG_TIME, Form::SECONDS).sets(&AgentSettings::statThrottleRate),
              "10",
              "most seconds between two checks of restart files; where inotify works, a change is seen at once. 0: 20 "
              "checks a second, without inotify"},
    Directive{
        "PassengerPreStart", Context::GLOBAL, list(&Settings::preStart, Form::URL).sets(&AgentSettings::preStart),
        "none",
        "URL whose application is started with httpd, instead of at its first request: a helper requests it from "
        "httpd (HEAD), and again at a reload if that has failed (OPERATIONS.md). The URL has no user or password"},
    Directive{
        "PassengerTurbocaching", Context::GLOBAL, flag(&Settings::turbocaching).readBy(Reader::HTTPD), "On",
        "small responses that allow it by Cache-Control or Expires are kept in memory, and sent to other clients that "
        "request the same URL (COMPATIBILITY.md)"},
    Directive{"PassengerShowVersionInHeader", Context::GLOBAL,
              flag(&Settings::showVersionInHeader).readBy(Reader::HTTPD), "On",
              "the version is in the header X-Powered-By"},
    Directive{"PassengerDataBufferDir", Context::GLOBAL,
              text(&Settings::dataBufferDir, Form::PATH).readBy(Reader::HTTPD), "/var/tmp",
              "folder for bodies that are too large for memory. Their files have no name, and vanish with their "
              "request. httpd's user needs the permission to write there"},
    Directive{"PassengerResponseBufferHighWatermark", Context::GLOBAL,
              number(&Settings::responseBufferHighWatermark, 0, INT_MAX, Form::BYTES).readBy(Reader::HTTPD),
              "134217728",
              "bytes of a response that httpd stores for a slow client, in memory and on disk; beyond them the "
              "application waits for the client"},
    Directive{
        "PassengerMaxDataBufferSize", Context::GLOBAL,
        number(&Settings::maxDataBufferSize, 0, MANY, Form::MEMORY).readBy(Reader::HTTPD),
        "three quarters of the free space",
        "MB that all files in PassengerDataBufferDir may have together, in all httpd children: bodies of requests, "
        "and responses for slow clients. Beyond them a request with a long body gets 507, and for a response the "
        "application waits for the client. The default counts the space that would be free without these files, "
        "as it is now. 0: no limit"},
    Directive{
        "PassengerMaxDataBufferSizePerApp", Context::GLOBAL,
        number(&Settings::maxDataBufferSizePerApp, 0, MANY, Form::MEMORY).readBy(Reader::HTTPD),
        "as much as is left for others",
        "MB that these files of one application may have; other applications' requests are served as before. By "
        "default they may grow until they are as large as what is still free of PassengerMaxDataBufferSize, or of the "
        "space above PassengerMinDataBufferFreeSpace if that is less. So one application alone can use half of it. 0: "
        "no limit of its own"},
    Directive{"PassengerMinDataBufferFreeSpace", Context::GLOBAL,
              number(&Settings::minDataBufferFreeSpace, 0, MANY, Form::MEMORY).readBy(Reader::HTTPD),
              "a twentieth of the disk, at most 256",
              "MB of the file system of PassengerDataBufferDir that these files leave free. 0: none"},
    Directive{"PassengerInstanceRegistryDir", Context::GLOBAL,
              text(&Settings::instanceRegistryDir, Form::PATH).readBy(Reader::AGENT), "httpd's DefaultRuntimeDir",
              "folder in which commands find running agents. It belongs to root, or to the user that starts httpd, and "
              "other users may not write there, unless it is sticky as /tmp; a missing folder is made"},
    Directive{"PassengerSpawnDir", Context::GLOBAL,
              text(&Settings::spawnDir, Form::PATH).sets(&AgentSettings::spawnDir), "/tmp",
              "folder of the private folders in which applications that speak HTTP have their sockets. The users of "
              "these applications must be allowed to make folders there, as in /tmp; a missing folder is made. It "
              "belongs to root, or to the user that starts httpd, and is sticky if other users may write there. With a "
              "path of more than 75 bytes, no Node application and no PassengerAppStartCommand starts"},
    Directive{"PassengerCtl", Context::GLOBAL, list(&Settings::ctl, Form::PAIR).readBy(Reader::HTTPD), "none",
              "another form of a directive of this table: PassengerCtl max_pool_size 12 is PassengerMaxPoolSize 12. An "
              "unknown name has no effect and is logged"},
    Directive{"PassengerDumpConfigManifest", Context::GLOBAL,
              text(&Settings::dumpConfigManifest, Form::PATH).readBy(Reader::HTTPD), "none",
              "file into which httpd writes the settings of the main server and each virtual host at each start and "
              "reload, as JSON; only its owner may read it"},
};

}  // namespace Passenger::Directives
