#include "commands/CommandTable.h"

#include <algorithm>
#include <utility>

namespace Passenger {

namespace {

using Argument = OptionSpec::Argument;

constexpr OptionSpec flag(const char *name, const char *help, char letter = '\0') {
    return {name, letter, Argument::NONE, "", help, ""};
}

constexpr OptionSpec option(const char *name, const char *placeholder, const char *help, const char *choices = "") {
    return {name, '\0', Argument::REQUIRED, placeholder, help, choices};
}

const OptionSpec HELP = flag("help", "Show this help.", 'h');
const OptionSpec VERSION = flag("version", "Show the version.");
const OptionSpec REGISTRY = option(
    "registry-dir", "FOLDER",
    "Look for agents in this folder: the value of PassengerInstanceRegistryDir. Without this option the environment "
    "variable PASSENGER_INSTANCE_REGISTRY_DIR names it, or else it is httpd's own folder for such files.");
const OptionSpec INSTANCE =
    option("instance", "NAME", "Ask the agent whose name begins with NAME; list-instances shows the names.");
const OptionSpec JSON = flag("json", "Print JSON.");
const OptionSpec HTTPD =
    option("httpd", "PROGRAM",
           "The program that reads the configuration: apache2ctl, apachectl, or httpd itself with its environment.");
const OptionSpec HTTPD_CONFIG = option("config", "FILE", "httpd's configuration, if it is another than httpd's own.");
const OptionSpec NAME = option("name", "APP",
                               "The application with this name, as passenger-status shows it. If there is none, those "
                               "with this name and ' as USER' behind it.");
const OptionSpec ALL = flag("all", "All applications that you may see.");
const OptionSpec IGNORE_APP = flag("ignore-app-not-running", "Succeed if no such application is running.");
const OptionSpec IGNORE_AGENT = flag("ignore-passenger-not-running", "Succeed if no agent is running.");

const ExitSpec DONE{0, "The command is done."};
const ExitSpec FAILED{1,
                      "The command line is wrong, no agent or more than one is found, there is no such application or "
                      "process, or the agent has refused the order."};
const ExitSpec NO_ANSWER{2, "The agent does not answer."};

constexpr const char *CONFIG = "passenger-config";

/** The operand of commands about applications. */
constexpr const char *PATH = "[PATH]";
constexpr const char *WHAT_PATH_MEANS =
    "PATH means all applications whose folders' paths begin with it: /srv/blog means /srv/blog-admin, too. With a "
    "slash at its end, PATH means the applications in that folder only. A relative PATH begins at the current "
    "folder.\n";

/** @param operands the command takes one, none where this is empty, or any number with "..." */
CommandSpec command(const char *program, const char *name, const char *operands, const char *summary,
                    const char *description, std::vector<OptionSpec> options, std::vector<ExitSpec> statuses) {
    const std::string_view form = operands;
    const std::size_t most = form.ends_with("...]") ? MANY_OPERANDS : form.empty() ? 0 : 1;
    const std::string text = std::string(description) + (form == PATH ? WHAT_PATH_MEANS : "");
    return {program, name, operands, most, summary, text, std::move(options), std::move(statuses)};
}

std::vector<CommandSpec> makeTable() {
    return {
        command("passenger-status", "", "[NAME]", "show what the applications of mod_passenger do",
                "Root and the agent's user see all applications, other users see their own. NAME is the beginning of "
                "an agent's name, if several are running.\n",
                {option("show", "WHAT",
                        "pool: applications and their instances. requests: what is in work and what waits. backtraces: "
                        "where the threads of the Ruby and Python instances are, and what Node instances have in work. "
                        "server: the agent, as JSON. xml: for monitoring plugins. json: everything.",
                        "pool|requests|server|backtraces|xml|json"),
                 flag("json", "The same as --show=json."),
                 flag("no-header", "Print no version, date and agent."),
                 flag("force-colors", "Print colours, though stdout is no terminal."),
                 {"watch", '\0', Argument::OPTIONAL, "SECONDS", "Repeat, by default each 2 seconds, until Ctrl-C.", ""},
                 option("sort", "KEY", "Order applications by this, the largest first. By default by name.",
                        "requests|queue|memory|cpu|name"),
                 flag("pid-identifier", "NAME is the pid of an agent's anchor."),
                 flag("verbose", "Show failures, versions and times of each application, too.", 'v'),
                 REGISTRY,
                 VERSION,
                 HELP},
                {DONE,
                 {1, "The command line is wrong, or no agent or more than one is found."},
                 {2, "The agent has refused the question or has not answered."}}),
        command("passenger-memory-stats", "", "", "show the memory of httpd, the agent and the applications",
                "PSS shares a page among the processes that have it, so PSS can be added up. Private memory is freed "
                "when the process ends. Only root can measure the processes of all users.\n",
                {flag("no-apache", "Leave out the processes of httpd."),
                 flag("no-nginx", "Without effect: accepted for scripts."), JSON, REGISTRY, VERSION, HELP},
                {DONE, {1, "The command line is wrong."}}),
        command(
            "passenger-prefork", "", "[APPDIR]", "serve a Rack application with preforked workers",
            "Serves the application in APPDIR, by default in the current folder, over HTTP/1.1 without httpd.\n"
            "TERM, INT and QUIT end the server after it has answered its requests. HUP restarts the workers one by "
            "one. USR2 starts a successor with the same sockets. TTIN and TTOU add and remove a worker. USR1 writes "
            "the status to the log.\n",
            {{"listen", 'l', Argument::REQUIRED, "ADDR:PORT",
              "Listen there; may be repeated. By default 127.0.0.1:3000.", ""},
             {"unix", 'u', Argument::REQUIRED, "PATH", "Listen on a Unix socket; may be repeated.", ""},
             option("socket-mode", "MODE", "Permissions of Unix sockets. By default 0666."),
             option("backlog", "NUMBER", "Connections that may wait for a worker. By default 1024."),
             option("min-spare", "NUMBER", "Free workers, at least. By default 1."),
             option("max-spare", "NUMBER", "Free workers, at most. By default 2."),
             option("start", "NUMBER", "Workers at the beginning. By default 5."),
             option("max-clients", "NUMBER", "Workers, at most. By default 50."),
             option("timeout", "SECONDS", "How long a worker may take for one request. By default 0: no limit."),
             option("grace", "SECONDS", "How long a worker may take to end. By default 30."),
             option("keep-alive", "SECONDS", "How long a connection may be idle. By default 20."),
             option("request-timeout", "SECONDS", "How long a client may take to send a request. By default 30."),
             option("answer-timeout", "SECONDS", "How long a client may take to receive an answer. By default 300."),
             {"environment", 'e', Argument::REQUIRED, "NAME",
              "RACK_ENV and RAILS_ENV. By default their values, else development.", ""},
             option("rackup", "FILE", "The file in APPDIR that makes the application. By default config.ru."),
             option("ruby", "PROGRAM", "The program that runs the workers. By default ruby."),
             option("pid-file", "PATH", "Write the pid of the process to signal into this file."),
             flag("early-hints", "Offer rack.early_hints."),
             VERSION,
             HELP},
            {{0, "The server was told to end."},
             {1, "The application does not load, or the server cannot listen."},
             {2, "The command line is wrong, or there is no such application."}}),
        command(
            CONFIG, "restart-app", PATH, "restart applications",
            "The old version serves "
            "until the new one is ready, unless PassengerRollingRestarts is Off. Root and the agent's user may restart "
            "all applications, other users their own.\n",
            {NAME, ALL, flag("rolling-restart", "Without effect: PassengerRollingRestarts decides."),
             option("wait", "SECONDS", "Wait until the new version serves. Fail if it does not start, with the cause."),
             IGNORE_APP, IGNORE_AGENT, JSON, INSTANCE, REGISTRY, HELP},
            {DONE,
             FAILED,
             NO_ANSWER,
             {1, "Also, with --wait: a new version does not start."},
             {3, "With --wait: the new version has neither started nor failed in this time."}}),
        command(
            CONFIG, "detach-process", "PID", "replace one instance",
            "The instance gets no more requests, finishes those that it has, and ends. Another one takes its place.\n",
            {flag("ignore-nonexistant-pid", "Succeed if no instance has this pid."), JSON, INSTANCE, REGISTRY, HELP},
            {DONE, FAILED, NO_ANSWER}),
        command(CONFIG, "drain", PATH, "tell balancers to send no requests",
                "The health URL (SetHandler passenger-health) of the applications answers 503, so a balancer sends its "
                "requests elsewhere. Requests that come nevertheless are served.\n",
                {NAME, ALL, option("wait", "SECONDS", "Wait until no request is in work and none waits."), JSON,
                 INSTANCE, REGISTRY, HELP},
                {DONE, FAILED, NO_ANSWER, {3, "With --wait: there are still requests."}}),
        command(CONFIG, "undrain", PATH, "tell balancers to send requests again", "Ends what drain has begun.\n",
                {NAME, ALL, JSON, INSTANCE, REGISTRY, HELP}, {DONE, FAILED, NO_ANSWER}),
        command(
            CONFIG, "agent-check", PATH, "answer HAProxy's agent-check",
            "Prints one line for the balancer: `up` with a weight, which falls while instances and processors are busy "
            "and requests wait; `up 0%` during drain and pause; `down` with the reason if no application serves or no "
            "agent is running. Without an application it is about all of them. doc/scale-out has the configuration.\n",
            {NAME, ALL, JSON, INSTANCE, REGISTRY, HELP},
            {{0, "The line is printed, also `down`."},
             {1, "The command line is wrong."},
             {2, "The pool process has died, and no other one has come yet. No line is printed."}}),
        command(CONFIG, "pause", PATH, "let the requests of applications wait",
                "For a deployment with a migration: pause --wait, migrate, restart-app, resume. Requests in work are "
                "finished; those that come wait in the queue, up to PassengerMaxRequestQueueSize and "
                "PassengerMaxRequestQueueTime. The health URL answers 503 meanwhile.\n",
                {NAME, ALL,
                 option("limit", "SECONDS",
                        "End the pause after this time, if resume does not. By default 60, at most 3600."),
                 option("wait", "SECONDS", "Wait until no request is in work, at most as long as the pause."), JSON,
                 INSTANCE, REGISTRY, HELP},
                {DONE,
                 FAILED,
                 NO_ANSWER,
                 {3, "With --wait: there are still requests in work, or the pause has ended before they did."}}),
        command(CONFIG, "resume", PATH, "let applications take requests again", "Ends what pause has begun.\n",
                {NAME, ALL, JSON, INSTANCE, REGISTRY, HELP}, {DONE, FAILED, NO_ANSWER}),
        command(CONFIG, "list-instances", "", "list the agents that are running",
                "Each httpd with mod_passenger has an agent. For a short time after a reload it may have two.\n",
                {JSON, flag("quiet", "Print nothing if there is none.", 'q'), REGISTRY, HELP},
                {DONE, {1, "The command line is wrong."}}),
        command(CONFIG, "reopen-logs", "", "have the agent open its log files anew",
                "For use after the files were moved away: those of PassengerLogFile and PassengerAppLogFile. httpd's "
                "own ErrorLog needs a graceful reload.\n",
                {flag("ignore-logs-not-available", "Without effect: accepted for scripts."), IGNORE_AGENT, JSON,
                 INSTANCE, REGISTRY, HELP},
                {DONE, FAILED, NO_ANSWER}),
        command(CONFIG, "report", "NUMBER", "print the report of a failed start",
                "The error page, the log and passenger-status name the number. The agent keeps the last 100 reports.\n",
                {JSON, INSTANCE, REGISTRY, HELP}, {DONE, FAILED, NO_ANSWER}),
        command(CONFIG, "explain", "URL", "say which application serves a URL, and why",
                "Shows the virtual host, the application, its user and interpreter, and each setting with the file and "
                "line that it comes from; or why no application serves the URL. httpd's program reads its "
                "configuration for that, as by configtest, so a change shows before httpd is reloaded. Run it as root, "
                "who reads all of the configuration.\n",
                {HTTPD, HTTPD_CONFIG, flag("all", "Show defaults, too."), JSON, HELP},
                {{0, "An application serves the URL."},
                 {1, "The command line is wrong, or httpd cannot read its configuration."},
                 {2, "No application serves the URL, or the application cannot be served."}}),
        command(CONFIG, "event", "[NAME]", "explain an event of the log",
                "Prints its levels, its meaning, and what to do. Without NAME it lists all events.\n", {JSON, HELP},
                {DONE, {1, "The command line is wrong, or there is no such event."}}),
        command(CONFIG, "validate-install", "", "check the installation",
                "Checks the files of the installation, httpd's configuration, the interpreters, limits, and each "
                "application: those that are running, and those of httpd's configuration, for which no server has to "
                "run. Each problem comes with its remedy. Nothing is changed.\n",
                {flag("auto", "Without effect: no question is asked in any case."),
                 flag("validate-apache2", "Without effect: httpd is checked in any case."),
                 flag("no-validate-apache2", "Do not look at httpd's configuration."), HTTPD, HTTPD_CONFIG, JSON,
                 REGISTRY, HELP},
                {{0, "Everything is in order."},
                 {1, "The command line is wrong, or there is an error."},
                 {2, "There are warnings only."}}),
        command(CONFIG, "about", "SUBJECT", "show facts about the installation",
                "SUBJECT is version, root, ruby-libdir, resourcesdir, support-binaries-dir, ruby-command, "
                "rubyext-compat-id, includedir, detect-apache2, compiled, custom-packaged, or "
                "installed-from-release-package. Each may also be written as an option of passenger-config: --root.\n",
                {JSON, HELP},
                {{0, "The command is done. compiled, custom-packaged: yes."},
                 {1,
                  "No subject is named, there is no such subject, or nothing to show: no Ruby, no httpd, includedir. "
                  "installed-from-release-package: no."}}),
        command(CONFIG, "system-metrics", "", "show processors, load and memory",
                "Processors are measured for half a second.\n", {JSON, HELP},
                {DONE, {1, "The command line is wrong."}}),
        command(CONFIG, "sizing", "", "recommend PassengerMaxPoolSize and MaxRequestWorkers",
                "Measures memory and cores of the machine and the private memory of the instances that run, and prints "
                "values with their reasons. Call it as root, after a day of usual load: instances grow with their "
                "first requests. Nothing is changed. doc/SIZING.md has the rules.\n",
                {option("memory", "MB",
                        "Plan for a machine of its own with this memory. By default this machine, and what its other "
                        "programs leave."),
                 option("cores", "NUMBER", "Plan for so many cores. By default this machine's."),
                 option("instance-memory", "MB",
                        "Plan for one application with instances of this private memory, without asking an agent."),
                 option("instance-requests", "NUMBER",
                        "Plan for instances that run so many requests at once, as with PassengerThreadCount."),
                 JSON, INSTANCE, REGISTRY, HELP},
                {DONE,
                 {1,
                  "The command line is wrong, no agent or more than one is found, no instance is running, or this user "
                  "may not measure them."}}),
        command(CONFIG, "build-native-support", "", "build native code for a Ruby",
                "Native code makes instances faster; without it they work as well. It is built for the ruby that is "
                "found first in PATH.\n",
                {option("ruby", "COMMAND", "Build it for this Ruby."), JSON, HELP},
                {DONE, {1, "The command line is wrong, or the code was not built."}}),
        command(CONFIG, "api-call", "ORDER [ARGUMENT...]", "send an order to the agent",
                "Prints the answer as JSON. ORDER is status, threads, report, restart, detach, drain, pause, resume, "
                "weight or "
                "reopen_logs, with the arguments that doc/PROTOCOLS.md lists.\n",
                {flag("json", "Print a failure as JSON, too."), INSTANCE, REGISTRY, HELP}, {DONE, FAILED, NO_ANSWER}),
    };
}

}  // namespace

std::string CommandSpec::fullName() const {
    return *name == '\0' ? program : std::string(program) + " " + name;
}

const std::vector<ExitSpec> &usualStatuses() {
    static const std::vector<ExitSpec> usual{DONE, FAILED, NO_ANSWER};
    return usual;
}

const std::vector<CommandSpec> &allCommands() {
    static const std::vector<CommandSpec> table = makeTable();
    return table;
}

std::vector<std::pair<std::string, std::string>> allPrograms() {
    std::vector<std::pair<std::string, std::string>> programs;
    for (const CommandSpec &command : allCommands()) {
        if (programs.empty() || programs.back().first != command.program) {
            const bool alone = *command.name == '\0';
            programs.emplace_back(command.program, alone ? command.summary : "steer mod_passenger, and check it");
        }
    }
    return programs;
}

const CommandSpec *findCommand(std::string_view program, std::string_view name) {
    const auto &table = allCommands();
    const auto found = std::find_if(table.begin(), table.end(), [&](const CommandSpec &command) {
        return command.program == program && command.name == name;
    });
    return found == table.end() ? nullptr : &*found;
}

}  // namespace Passenger
