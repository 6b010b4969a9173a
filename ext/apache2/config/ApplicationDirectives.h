#pragma once

#include "apache2/config/Directive.h"

namespace Passenger::Directives {

inline constexpr std::array APPLICATION{
    Directive{"PassengerAppRoot", Context::APPLICATION,
              text(&Settings::appRoot, Form::PATH).readBy(Reader::HTTPD).granted("app_root"),
              "the parent of the DocumentRoot", "the application's folder"},
    Directive{"PassengerResolveSymlinksInDocumentRoot", Context::APPLICATION,
              flag(&Settings::resolveSymlinksInDocumentRoot).readBy(Reader::HTTPD).granted("resolve_symlinks"), "Off",
              "a DocumentRoot that is a symbolic link is followed before its parent is taken"},
    Directive{"PassengerBaseURI",
              Context::APPLICATION,
              list(&Settings::baseUris, Form::URI).readBy(Reader::HTTPD).granted("base_uri"),
              "/",
              "path of a URL below which an application runs: a link in the DocumentRoot to the application's public "
              "folder, or an Alias; of several the longest counts",
              {"RailsBaseURI", "RackBaseURI"}},
    Directive{"PassengerAppEnv",
              Context::APPLICATION,
              text(&Settings::appEnv).sets(&Options::environment).granted("environment"),
              "production",
              "environment, in RAILS_ENV, RACK_ENV and the like",
              {"RailsEnv", "RackEnv"}},
    Directive{
        "PassengerAppGroupName", Context::APPLICATION,
        text(&Settings::appGroupName).readBy(Reader::DERIVED).granted("app_group_name"),
        "folder and environment, \"/srv/blog (production)\", and PassengerUser and PassengerGroup where they are set, "
        "\"/srv/blog (production) as alice:staff\"",
        "name of the application: places with the same name share instances"},
    Directive{"PassengerAppType", Context::APPLICATION, choice(&Settings::appType, APP_TYPES).readBy(Reader::HTTPD),
              "by the startup file",
              "the application's kind: rack (or ruby), wsgi (or python), asgi, node (or nodejs, meteor)"},
    Directive{
        "PassengerStartupFile", Context::APPLICATION,
        text(&Settings::startupFile).readBy(Reader::HTTPD).granted("startup_file"),
        "config.ru, passenger_wsgi.py, passenger_asgi.py, app.js or asgi.py",
        "the application's first file, absolute or in the application's folder; without PassengerAppType the end "
        "of its name decides the kind: .js, .cjs, .mjs, .ts, .cts, .mts: node; asgi.py: asgi; .py: wsgi; .ru: "
        "rack. With another end, as bin/www, it is node if its first line names node (#!/usr/bin/env node), or if "
        "it has no such line and app.js is the folder's usual startup file; else rack"},
    Directive{"PassengerAppCallable", Context::APPLICATION,
              text(&Settings::appCallable, Form::CALLABLE).sets(&Options::appCallable).granted("app_callable"),
              "application",
              "what a Python startup file calls the WSGI or ASGI application: app; an attribute, web.app; or a "
              "function without arguments that makes it, create_app(). mysite.asgi:application is in a module, "
              "which is imported in place of a startup file. No effect on applications of other kinds"},
    Directive{"PassengerAppStartCommand", Context::APPLICATION,
              text(&Settings::appStartCommand).sets(&Options::startCommand).granted("start_command"), "none",
              "a command that serves HTTP on the port that $PORT names, in whatever language; see below"},
    Directive{
        "PassengerDirectInstanceRequestAddress", Context::APPLICATION,
        text(&Settings::instanceAddress, Form::ADDRESS).sets(&Options::instanceAddress).granted("instance_address"),
        "127.0.0.1", "the IP address on which a start command listens"},
    Directive{"PassengerForceMaxConcurrentRequestsPerProcess", Context::APPLICATION,
              number(&Settings::maxConcurrentRequests, -1, INT_MAX).readBy(Reader::DERIVED).granted("thread_count"),
              "-1",
              "requests that an instance gets at once; for Ruby and WSGI, PassengerThreadCount counts instead. 0 or "
              "-1: no limit"},
    Directive{"PassengerRuby", Context::APPLICATION, text(&Settings::ruby).sets(&Options::ruby).granted("ruby"),
              "that of PassengerDefaultRuby",
              "Ruby of the application, 2.7 or newer, started in its folder, where a relative path begins"},
    Directive{
        "PassengerPython", Context::APPLICATION, text(&Settings::python).sets(&Options::python).granted("python"),
        "python3",
        "the interpreter of a WSGI or ASGI application, 3.9 or newer, started in its folder, where a relative path "
        "begins"},
    Directive{"PassengerNodejs", Context::APPLICATION, text(&Settings::nodejs).sets(&Options::nodejs).granted("nodejs"),
              "node", "the interpreter of a Node application"},
    Directive{"PassengerUser", Context::APPLICATION, text(&Settings::user).sets(&Options::user).granted("user"),
              "the owner of the startup file; with a start command, of the folder",
              "user of the application's processes, where root starts httpd"},
    Directive{"PassengerGroup", Context::APPLICATION, text(&Settings::group).sets(&Options::group).granted("group"),
              "that user's primary group",
              "group of the application's processes; !STARTUP_FILE! is the group of the startup file"},
    Directive{"PassengerSpawnMethod",
              Context::APPLICATION,
              choice(&Settings::spawnMethod, SPAWN_METHODS).sets(&Options::spawnMethod).granted("spawn_method"),
              "smart",
              "smart (or smart-lv2): a process loads the application once, instances are forked from it. direct (or "
              "conservative): each instance loads it",
              {"RailsSpawnMethod"}},
    Directive{"PassengerMinInstances", Context::APPLICATION,
              number(&Settings::minInstances, 0, MANY).sets(&Options::minInstances).granted("min_instances"), "1",
              "instances that are kept once the application was used, even when idle"},
    Directive{"PassengerMaxInstances", Context::APPLICATION,
              number(&Settings::maxInstances, 0, MANY).sets(&Options::maxInstances).granted("max_instances"), "0",
              "most instances of this application; 0: no limit of its own"},
    Directive{"PassengerStartInstances", Context::APPLICATION,
              number(&Settings::startInstances, 0, MANY).sets(&Options::startInstances).granted("start_instances"), "0",
              "instances that start together when the application has none; 0: as many as there are requests for"},
    Directive{
        "PassengerMinSpareInstances", Context::APPLICATION,
        number(&Settings::minSpareInstances, 0, MANY).sets(&Options::minSpareInstances).granted("min_spare_instances"),
        "0",
        "instances without a request that are kept ready, beside those that are busy, while the application is "
        "in use; see below"},
    Directive{
        "PassengerMaxSpareInstances", Context::APPLICATION,
        number(&Settings::maxSpareInstances, 0, MANY).sets(&Options::maxSpareInstances).granted("max_spare_instances"),
        "0",
        "most instances without a request: above it the oldest of them end, instead of PassengerPoolIdleTime's "
        "rule; a value below PassengerMinSpareInstances counts as PassengerMinSpareInstances. 0: no such limit"},
    Directive{"PassengerHeartbeatTimeout", Context::APPLICATION,
              number(&Settings::heartbeatTimeout, 0, LONG_TIME, Form::SECONDS)
                  .sets(&Options::heartbeatTimeout)
                  .granted("heartbeat_timeout"),
              "0",
              "seconds without a heartbeat after which an instance is killed and replaced, with or without a request; "
              "see below. 0: instances send no heartbeats"},
    Directive{"PassengerMaxRequests", Context::APPLICATION,
              number(&Settings::maxRequests, 0, INT_MAX).sets(&Options::maxRequests).granted("max_requests"), "0",
              "requests after which an instance is replaced; 0: never"},
    Directive{
        "PassengerMemoryLimit", Context::APPLICATION,
        number(&Settings::memoryLimit, 0, MANY, Form::MEMORY).sets(&Options::memoryLimit).limiting("memory_limit"), "0",
        "memory in MB above which an instance is replaced once it is a minute old (PSS, swapped memory included: its "
        "private memory, and its part of the memory that it shares); 0: never"},
    Directive{
        "PassengerHardMemoryLimit", Context::APPLICATION,
        number(&Settings::hardMemoryLimit, 0, MANY, Form::MEMORY)
            .sets(&Options::hardMemoryLimit)
            .limiting("hard_memory_limit"),
        "0",
        "memory in MB, measured as for PassengerMemoryLimit every five seconds, above which an instance is killed "
        "together with its requests; 0: never"},
    Directive{
        "PassengerMemoryBudget", Context::APPLICATION,
        number(&Settings::memoryBudget, 0, INT_MAX / 1024, Form::MEMORY)
            .sets(&Options::memoryBudget)
            .limiting("memory_budget"),
        "0",
        "memory that the instances of all applications share (PSS, swapped memory included); in a virtual host or "
        "folder, that the instances of this application may use together. Instances end, are replaced, or wait for "
        "their start, so that it is kept (OPERATIONS.md). 0: no budget"},
    Directive{
        "PassengerMemoryMax", Context::APPLICATION,
        number(&Settings::memoryMax, 0, MANY, Form::MEMORY).sets(&Options::memoryMax).limiting("memory_max"), "0",
        "MB of memory that all processes of the application may have together; beyond it the kernel frees what it "
        "can, and then kills one of them. Needs a control group (OPERATIONS.md). 0: no limit"},
    Directive{
        "PassengerCpuWeight", Context::APPLICATION,
        number(&Settings::cpuWeight, 0, 10000).sets(&Options::cpuWeight).limiting("cpu_weight"), "0",
        "share of the processors that the application's processes get together while others want them, too: 50 is "
        "half as much as an application with 100. Needs a control group (OPERATIONS.md). 0: 100"},
    Directive{
        "PassengerTasksMax", Context::APPLICATION,
        number(&Settings::tasksMax, 0, MOST_TASKS).sets(&Options::tasksMax).limiting("tasks_max"), "0",
        "processes and threads that the application may have together; a further one cannot be made (EAGAIN). Needs "
        "a control group (OPERATIONS.md). 0: no limit"},
    Directive{"PassengerMaxRequestQueueSize", Context::APPLICATION,
              number(&Settings::maxRequestQueueSize, 0, INT_MAX)
                  .sets(&Options::maxQueueSize)
                  .granted("max_request_queue_size"),
              "100, with PassengerQueueTarget 0",
              "requests of the application that may wait for an instance; a further request gets 503, after 5 ms at "
              "most. 0: no limit but the application's share of httpd's threads"},
    Directive{"PassengerRequestQueueOverflowStatusCode", Context::APPLICATION,
              number(&Settings::requestQueueOverflowStatusCode, 400, 599).readBy(Reader::HTTPD), "503",
              "status of the answer to a request that the queue refuses: PassengerMaxRequestQueueSize, "
              "PassengerQueueTarget, PassengerFairnessKey, or the application's share of httpd's threads. No instance "
              "has begun it; by a status that the application itself never answers a balancer knows that it may give "
              "the request "
              "to another host (scale-out/README.md)"},
    Directive{
        "PassengerQueueTarget", Context::APPLICATION,
        number(&Settings::queueTarget, 0, 3'600'000, Form::TIME).sets(&Options::queueTarget).granted("queue_target"),
        "0",
        "how long requests should wait for an instance at most, for example 200ms. In an overload, when all wait "
        "for longer or one would wait for twice as long, further requests get 503 at once, but for those that can "
        "be begun in this time. Node, ASGI and start commands take all requests at once, so none waits and the "
        "directive has no effect, unless PassengerForceMaxConcurrentRequestsPerProcess limits them. 0: requests "
        "wait, up to PassengerMaxRequestQueueSize"},
    Directive{
        "PassengerPriorityQueue", Context::APPLICATION,
        flag(&Settings::priorityQueue).sets(&Options::priorityQueue).granted("priority_queue"), "Off",
        "an instance that gets free takes requests with PassengerPriority high before all others that wait; after "
        "four of them in a row it takes one of the others. Reading two queues costs each request of the "
        "application some microseconds. Instances that run already have no such queue: the next version has it. "
        "No effect with PassengerStickySessions"},
    Directive{"PassengerConcurrencyModel", Context::APPLICATION,
              choice(&Settings::concurrencyModel, CONCURRENCY_MODELS).readBy(Reader::DERIVED),
              "as PassengerThreadCount says", "process: one request at a time, whatever PassengerThreadCount says"},
    Directive{"PassengerThreadCount", Context::APPLICATION,
              number(&Settings::threadCount, 0, 1024).readBy(Reader::DERIVED).granted("thread_count"), "1",
              "requests that an instance can run at once. 0: 1"},
    Directive{
        "PassengerMaxBootProcesses", Context::APPLICATION,
        number(&Settings::maxBootProcesses, 0, INT_MAX).sets(&Options::maxBootProcesses).limiting("max_boot_processes"),
        "1000",
        "how many further processes and threads the application's user may get while a process of the application "
        "starts; one more cannot be made (EAGAIN). Has an effect where root starts httpd. Without CAP_SYS_RESOURCE, "
        "and in a user namespace, nobody can lift the limit after the start: another value than the default stays in "
        "force. In a PID namespace the user's tasks in other containers count, too. So in containers the default sets "
        "no limit. 0: no limit"},
    Directive{
        "PassengerStartTimeout", Context::APPLICATION,
        number(&Settings::startTimeout, 1, LONG_TIME, Form::SECONDS)
            .sets(&Options::startTimeout)
            .granted("start_timeout"),
        "90",
        "seconds in which a process must have loaded the application, and then in which it must be ready to serve"},
    Directive{"PassengerStopTimeout", Context::APPLICATION,
              number(&Settings::stopTimeout, 0, 600, Form::SECONDS).sets(&Options::stopTimeout).granted("stop_timeout"),
              "5",
              "seconds that a Node application or a start command has from SIGTERM to SIGKILL, once its requests are "
              "answered; at httpd's stop at most 60"},
    Directive{"PassengerMaxPreloaderIdleTime",
              Context::APPLICATION,
              number(&Settings::maxPreloaderIdleTime, 0, LONG_TIME, Form::SECONDS)
                  .sets(&Options::maxPreloaderIdleTime)
                  .granted("max_preloader_idle_time"),
              "300",
              "seconds after which a preloader that forks no instance ends, to free its memory; the next instance then "
              "starts another preloader, and so takes as long as the first. 0: never",
              {"RailsAppSpawnerIdleTime"}},
    Directive{"PassengerPreloadBundler", Context::APPLICATION,
              flag(&Settings::preloadBundler).sets(&Options::preloadBundler).granted("preload_bundler"), "Off",
              "where the application has a Gemfile (or gems.rb), and no config/setup_load_paths.rb, Bundler is set up "
              "before any other library is loaded, so that the libraries of mod_passenger itself (socket, io-wait) "
              "have the Gemfile's versions, too. Off: Bundler is set up after these libraries, which only matters to a "
              "Gemfile with another io-wait or socket"},
    Directive{"PassengerReforkAfter", Context::APPLICATION,
              number(&Settings::reforkAfter, 0, INT_MAX).sets(&Options::reforkAfter).granted("refork_after"), "0",
              "Ruby: requests after which an instance forks the next preloader (below); 0: never"},
    Directive{
        "PassengerWarmUp", Context::APPLICATION,
        list(&Settings::warmUp, Form::WARM_UP).sets(&Options::warmUp).granted("warm_up"), "none",
        "a path, such as /posts?page=1, or a URL: each new instance answers a GET for it before it takes requests "
        "of clients; one directive for each request; see below"},
    Directive{"PassengerRestartDir", Context::APPLICATION,
              text(&Settings::restartDir).sets(&Options::restartDir).granted("restart_dir"), "tmp",
              "folder of restart.txt, absolute or below the application's folder"},
    Directive{
        "PassengerLoadShellEnvvars", Context::APPLICATION,
        flag(&Settings::loadShellEnvvars).sets(&Options::loadShellEnvvars).granted("load_shell_envvars"), "On",
        "before the application starts, its user's login shell reads the profile (/etc/profile, ~/.profile, "
        "~/.bash_profile …) in the application's folder, so that PATH, rbenv, pyenv and the like are as at a login, "
        "and files such as .ruby-version there choose the interpreter; SetEnv and PassengerAppEnv overrule the profile "
        "in "
        "the application's environment, but not what the interpreter reads at its own start, such as "
        "PATH, PYTHONPATH, RUBYOPT and LD_LIBRARY_PATH. The directive has no effect for users whose shell is not ash, "
        "bash, dash, ksh, mksh, sh or zsh"},
    Directive{"PassengerRollingRestarts", Context::APPLICATION,
              flag(&Settings::rollingRestarts).sets(&Options::rollingRestarts).granted("rolling_restarts"),
              "Off in development, else On",
              "instances are replaced one by one, and the old version stays if the new version does not start. Off: "
              "the request that follows a change of restart.txt gets the new version and waits for it; old instances "
              "end once they have finished their requests, and requests fail if the new version does not start. httpd "
              "looks at the file for each request then"},
    Directive{"PassengerResistDeploymentErrors", Context::APPLICATION,
              flag(&Settings::resistDeploymentErrors)
                  .sets(&Options::resistDeploymentErrors)
                  .granted("resist_deployment_errors"),
              "On",
              "a rolling restart keeps the old version when the new one does not start. Off: the old instances end, "
              "and requests get the new version's error"},
    Directive{
        "PassengerCustomErrorPage", Context::APPLICATION,
        text(&Settings::customErrorPage, Form::PATH).readBy(Reader::HTTPD), "a plain page",
        "HTML file that is shown when the application does not start or is overloaded, where "
        "PassengerFriendlyErrorPages is off, whatever PassengerErrorOverride says. httpd's children read it. It is "
        "a regular file of at most 1 MiB. A link in its place counts only if the file behind it belongs to the owner "
        "of the link's folder, or root owns that folder"},
    Directive{"PassengerAppLogFile", Context::APPLICATION,
              text(&Settings::appLogFile, Form::APP_FILE).sets(&Options::logFile).granted("log_file"),
              "PassengerLogFile",
              "file for the standard output and standard error of processes of the application that start from then "
              "on; opened again at a graceful reload. Where users other than root may write to its folder, the file is "
              "opened with the rights of the application's user"},
    Directive{
        "PassengerMonitorLogFile", Context::APPLICATION,
        list(&Settings::monitorLogFiles, Form::APP_FILE).sets(&Options::monitoredFiles).granted("monitored_files"),
        "none",
        "log of the application whose new lines are copied into the agent's log while the application has "
        "instances, as by tail -F; one directive for each file. Where users other than root may write to its "
        "folder, the file is read with the rights of the application's user"},
    Directive{"PassengerMaxLogLinesPerSecond", Context::APPLICATION,
              number(&Settings::maxLogLinesPerSecond, 0, MANY).sets(&Options::maxLogLines).limiting("max_log_lines"),
              "1000",
              "lines of the application's processes and of its PassengerMonitorLogFile that reach the log in a second, "
              "on average over ten seconds. Further ones are dropped, and their number and the last of them are "
              "written at the end of the ten seconds. A line counts once for each begun 1024 bytes. 0: no limit"},
};

}  // namespace Passenger::Directives
