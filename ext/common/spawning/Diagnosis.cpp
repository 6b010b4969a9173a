#include "spawning/Diagnosis.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <string_view>

#include "spawning/DiagnosisRule.h"
#include "spawning/PythonRules.h"

namespace Passenger {

namespace {

bool killedBy(const FailureFacts &failure, std::initializer_list<int> signals) {
    if (!failure.waitStatus || !WIFSIGNALED(*failure.waitStatus)) {
        return false;
    }
    for (const int signal : signals) {
        if (WTERMSIG(*failure.waitStatus) == signal) {
            return true;
        }
    }
    return false;
}

Finding otherSignal(const FailureFacts &failure) {
    if (!failure.waitStatus || !WIFSIGNALED(*failure.waitStatus)) {
        return std::nullopt;
    }
    const char *name = sigabbrev_np(WTERMSIG(*failure.waitStatus));
    return "SIG" + std::string(name != nullptr ? name : "?");
}

Finding exitStatus(const FailureFacts &failure) {
    if (!failure.waitStatus || !WIFEXITED(*failure.waitStatus)) {
        return std::nullopt;
    }
    return std::to_string(WEXITSTATUS(*failure.waitStatus));
}

/** `/srv/blog/config.ru:3` in `/srv/blog/config.ru:3: syntax error, …`. */
Finding syntaxError(const FailureFacts &failure) {
    if (!isA(failure, {"SyntaxError"})) {
        return std::nullopt;
    }
    const std::string_view message = beginning(failure.exceptionMessage);
    const std::string_view line = message.substr(0, message.find('\n'));
    for (auto at = line.find(':'); at != std::string_view::npos; at = line.find(':', at + 1)) {
        const auto end = line.find_first_not_of("0123456789", at + 1);
        if (end != at + 1 && end != std::string_view::npos && line[end] == ':') {
            return std::string(line.substr(0, end));
        }
    }
    return "the application's code";
}

Finding missingLibrary(const FailureFacts &failure) {
    return isA(failure, {"LoadError", "Gem::LoadError"})
               ? behind(failure.exceptionMessage, "cannot load such file -- ", " \n")
               : std::nullopt;
}

/** The finding of a rule about a Node application, whose bridge runs no step of Ruby's. */
bool isNode(const FailureFacts &failure) {
    return failure.step == "application listens" && !failure.exceptionClass.empty();
}

/** `express` in `Cannot find module 'express'` and in `Cannot find package 'express' imported`. */
Finding missingModule(const FailureFacts &failure) {
    if (!isNode(failure) || !has(failure.exceptionClass, "MODULE_NOT_FOUND]")) {
        return std::nullopt;
    }
    const Finding module = behind(failure.exceptionMessage, "Cannot find module '", "'");
    return module ? module : behind(failure.exceptionMessage, "Cannot find package '", "'");
}

/** A module of a package, which npm installs; a path is one of the application's own files. */
Finding missingPackage(const FailureFacts &failure) {
    const Finding module = missingModule(failure);
    return module && !module->starts_with('/') && !module->starts_with('.') ? module : std::nullopt;
}

Finding nodeSyntaxError(const FailureFacts &failure) {
    if (!isNode(failure) || !isA(failure, {"SyntaxError"})) {
        return std::nullopt;
    }
    const Finding place = behind(failure.exceptionMessage, "/", " ");
    return place && failure.exceptionMessage.starts_with('/') ? "/" + place->substr(0, place->rfind(':'))
                                                              : "a module of the application, which its output names";
}

/**
 * The gem that Bundler wants to install although a Debian package provides it. Only a Bundler
 * without Debian's patches does so.
 */
Finding gemInstalledAnew(const FailureFacts &failure) {
    return has(failure.exceptionMessage, ".gem for installation")
               ? behind(failure.exceptionMessage, "Could not find ", " \n")
               : std::nullopt;
}

/** The path of Gemfile.lock, if Bundler has to write it and may not. */
Finding lockNotWritten(const FailureFacts &failure) {
    const Finding path = isA(failure, {"Bundler::PermissionError"})
                             ? behind(failure.exceptionMessage, "trying to write to `", "`\n")
                             : std::nullopt;
    return path && path->ends_with("lock") ? path : std::nullopt;
}

Finding missingGem(const FailureFacts &failure) {
    if (isA(failure, {"Bundler::GemNotFound", "Gem::MissingSpecError", "Gem::MissingSpecVersionError"}) ||
        has(failure.exceptionMessage, "is not part of the bundle")) {
        const std::string_view message = beginning(failure.exceptionMessage);
        return std::string(message.substr(0, message.find('\n')));
    }
    return std::nullopt;
}

Finding missingVariable(const FailureFacts &failure) {
    return isA(failure, {"KeyError"}) ? behind(failure.exceptionMessage, "key not found: \"", "\"") : std::nullopt;
}

/** The path in `… @ rb_sysopen - /srv/blog/config/x.yml`. */
Finding fileOf(const FailureFacts &failure, std::string_view exceptionClass) {
    if (failure.exceptionClass != exceptionClass) {
        return std::nullopt;
    }
    const Finding path = behind(failure.exceptionMessage, " - ", "\n");
    return path ? path : Finding("a file");
}

bool saysInUse(std::string_view text) {
    constexpr std::array<std::string_view, 3> WORDS{"EADDRINUSE", "Address already in use", "address already in use"};
    return std::any_of(WORDS.begin(), WORDS.end(),
                       [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

/** By an exception, or by what a program printed that did not listen. */
bool addressInUse(const FailureFacts &failure) {
    return isA(failure, {"Errno::EADDRINUSE"}) || saysInUse(beginning(failure.exceptionMessage)) ||
           (failure.step == "application listens" && saysInUse(failure.output));
}

Finding memoryIsShort(const FailureFacts &failure) {
    return when(isA(failure, {"NoMemoryError", "Errno::ENOMEM"}) || has(failure.problem, "Cannot allocate memory"));
}

Finding processesAreMany(const FailureFacts &failure) {
    return when(isA(failure, {"Errno::EAGAIN"}) || has(failure.problem, "Resource temporarily unavailable"));
}

// The most specific rules come first, rules for whole classes of failures last.
constexpr DiagnosisRule RULES[] = {
    {[](const FailureFacts &f) { return when(addressInUse(f)); },
     "The application opens a port or a socket while it loads, and another process uses it: perhaps another instance "
     "of the application.",
     "Do not let the application open a port of its own under mod_passenger. This command shows which process uses the "
     "port: ss -lptn",
     "it opens a port or socket that another process uses (EADDRINUSE): let it open none but that of $PORT; ss -lptn "
     "shows the other process"},
    {[](const FailureFacts &f) { return when(f.timedOut && f.step == "preloader free"); },
     "The preloader was busy with other instances of the application all the time.",
     "The log shows how long each start takes. If that time is normal for the application, raise "
     "PassengerStartTimeout."},
    {[](const FailureFacts &f) { return when(f.timedOut && f.step == "instance forked"); },
     "The preloader or the new instance waits in the fork, often for a lock that another thread of a native gem held "
     "at that moment.",
     "The backtrace shows where each thread was. If a gem cannot be forked once it is loaded, set PassengerSpawnMethod "
     "direct."},
    {[](const FailureFacts &f) { return when(f.timedOut); },
     "The application waits for a resource, such as a database, a lock or another server; or it has much to load on a "
     "busy machine.",
     "The backtrace shows where each thread was. Repair what the application waits for, or give that wait a shorter "
     "time limit. If the application is only slow, raise PassengerStartTimeout."},
    {[](const FailureFacts &f) { return when(killedBy(f, {SIGKILL})); },
     "The kernel killed the process because the machine, container or cgroup had no memory left; or a user or another "
     "process killed it.",
     "Look for \"Out of memory\" or \"oom-kill\" in the kernel's log (dmesg, journalctl -k). Provide more memory, or "
     "run fewer instances (PassengerMaxPoolSize)."},
    {[](const FailureFacts &f) {
         return when(killedBy(f, {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS}));
     },
     "Native code crashed: a gem with a C extension, or Ruby itself. Often the gem was built for another Ruby or on "
     "another machine.",
     "Rebuild the gems (bundle pristine, or bundle install after removing the bundle). The last output of the process "
     "names the gem."},
    {[](const FailureFacts &f) {
         return when(killedBy(f, {SIGXCPU, SIGXFSZ}));
     },
     "The process exceeded its limit of processor time or of a file's size.",
     "See the limits below; they come from httpd's service (systemd: LimitCPU=, LimitFSIZE=)."},
    {otherSignal, "Another process, or the application itself, sent the signal {} to the process.",
     "Check the service managers, scripts and monitoring that end processes on this machine, and whether the "
     "application sends signals while it loads."},

    {[](const FailureFacts &f) {
         return when(isNode(f) && (has(f.exceptionClass, "ERR_REQUIRE_ESM") ||
                                   has(f.exceptionMessage, "Cannot use import statement outside a module")));
     },
     "A module is written for import, and is loaded by require, or the other way round.",
     "Load it by import(), or write \"type\": \"module\" into package.json, or name the file .mjs "
     "(PassengerStartupFile "
     "names the first one). A newer Node may load it by require(): PassengerNodejs, .nvmrc."},
    {nodeSyntaxError, "The file does not follow JavaScript's grammar: {}. It may be written for a newer Node.",
     "Correct that line, or the line before it. Check with: node --check FILE. PassengerNodejs or .nvmrc chooses the "
     "Node."},
    {missingPackage, "The package \"{}\" is not installed where Node looks for it.",
     "Run npm ci (or npm install) in the application's folder, as the user that is named below; npm install {} if "
     "package.json does not name it. SetEnv NODE_PATH names a folder of packages elsewhere."},
    {missingModule, "The file {} does not exist.",
     "Check the path in the line that the backtrace names, and whether "
     "all files were deployed or built (npm run build)."},
    {syntaxError,
     "The file does not follow Ruby's grammar: {}. It may be written for a newer Ruby than the one that runs it.",
     "Correct the line that the message names, or the line before it. Check with: ruby -c FILE. PassengerRuby chooses "
     "the Ruby."},
    {[](const FailureFacts &f) { return when(f.exceptionClass == "Bundler::RubyVersionMismatch"); },
     "The Gemfile asks for another version of Ruby than the one that runs the application.",
     "Set PassengerRuby (or PassengerDefaultRuby) to the Ruby that the Gemfile requires, or change the Gemfile's line "
     "\"ruby\"."},
    {gemInstalledAnew,
     "Ruby's own Bundler wants to install {} while the application loads. This Bundler does not know that a package of "
     "Debian has installed that gem.",
     "Do not install gems during a start. Replace gemfile(true) of bundler/inline by gemfile, and bundle install by "
     "bundle lock --local --update, which uses the installed gems."},
    {lockNotWritten,
     "{} is missing or does not fit the Gemfile, and the application's user may not write it. Perhaps bundle install "
     "has failed.",
     "Run bundle install in the application's folder, as its owner. If it \"could not find\" a gem \"for "
     "installation\", the gems come from Debian's packages: run bundle lock --local --update instead."},
    {missingGem, "A gem is not installed for this Ruby and this user: {}",
     "Run bundle install in the application's folder, as the user and with the Ruby that are named below. Where the "
     "gems come from Debian's packages, run bundle lock --local --update instead: it uses the installed versions."},
    {[](const FailureFacts &f) {
         return when(hasAny(f.exceptionMessage, {"already activated", "but your Gemfile requires"}));
     },
     "Two versions of a gem are required: one was loaded before the application's Gemfile was read.",
     "Run bundle update for that gem, or name it in the Gemfile."},
    {[](const FailureFacts &f) { return when(f.step == "Bundler"); },
     "Bundler could not set up the application's gems.",
     "Run bundle install in the application's folder, as the user and with the Ruby that are named below, and read its "
     "messages."},
    {missingLibrary,
     "This Ruby does not find the library \"{}\": its gem is not installed or not in the Gemfile, or the path is "
     "wrong.",
     "Add the gem to the Gemfile and run bundle install, as the user and with the Ruby that are named below; or "
     "correct the require."},
    {missingVariable, "The application requires \"{}\", most likely an environment variable, and it is not set.",
     "Set it in httpd's configuration (SetEnv {} VALUE), and look at the environment below."},
    {[](const FailureFacts &f) { return fileOf(f, "Errno::EACCES"); },
     "The user that the application runs as has no permission for {}, or for a folder above it.",
     "Give the user that is named below the permission (chown, chmod; folders need x). PassengerUser chooses another "
     "user."},
    {[](const FailureFacts &f) { return fileOf(f, "Errno::EPERM"); }, "The application's user has no permission for {}",
     "Check which permission the application needs. PassengerUser chooses another user."},
    {[](const FailureFacts &f) { return fileOf(f, "Errno::ENOENT"); }, "The file or folder does not exist: {}",
     "Check that it was deployed, and that its path fits the application's folder."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"Errno::EMFILE", "Errno::ENFILE"}));
     },
     "The process has reached its limit of open files and sockets.",
     "Raise the limit of httpd's service (systemd: LimitNOFILE=), or change the application so that it opens fewer."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"Errno::ENOSPC", "Errno::EDQUOT", "Errno::EROFS"}));
     },
     "The application writes while it loads, and the file system is full or read-only.",
     "Free space, or give the application a folder where it may write."},
    {memoryIsShort, "The machine has too little memory, or a limit on memory is too low.",
     "Provide more memory, raise the limit (systemd: MemoryMax=, LimitAS=), or run fewer instances "
     "(PassengerMaxPoolSize)."},
    {processesAreMany, "The user has reached the limit of processes and threads.",
     "Raise the limit (PassengerMaxBootProcesses, PassengerTasksMax; systemd: TasksMax=, LimitNPROC=), or run fewer "
     "instances (PassengerMaxPoolSize)."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"ActiveRecord::ConnectionNotEstablished", "ActiveRecord::DatabaseConnectionError",
                             "ActiveRecord::NoDatabaseError", "PG::ConnectionBad", "Mysql2::Error::ConnectionError",
                             "Redis::CannotConnectError", "RedisClient::CannotConnectError", "Errno::ECONNREFUSED"}));
     },
     "The application needs a database or another server while it loads, and cannot reach it.",
     "Check that the server runs, and that the application's settings have the right address and account."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"ActiveSupport::MessageEncryptor::InvalidMessage",
                             "ActiveSupport::EncryptedFile::MissingKeyError"}) ||
                     hasAny(f.exceptionMessage, {"secret_key_base"}));
     },
     "The application's secrets cannot be read: the key is missing or wrong.",
     "Set SECRET_KEY_BASE or RAILS_MASTER_KEY in httpd's configuration (SetEnv), or deploy config/master.key, readable "
     "for the application's user."},
    {[](const FailureFacts &f) { return when(isA(f, {"SystemExit"})); }, "The application called exit while it loaded.",
     "The last output of the process usually has the reason."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"NameError", "NoMethodError", "ArgumentError", "TypeError"}));
     },
     "The application or one of its gems has an error, or a gem has another version than the application expects.",
     "See the first lines of the backtrace that belong to the application."},
    {[](const FailureFacts &f) { return when(has(f.exceptionMessage, "gives no application to run")); },
     "The startup file does not call run.", "Its last line should be: run YOUR_APPLICATION"},
    {[](const FailureFacts &f) { return when(!f.exceptionClass.empty()); },
     "The application raised an exception while it loaded.",
     "See the first lines of the backtrace that belong to the application."},

    {[](const FailureFacts &f) { return when(f.step == "command started"); },
     "The application's command does not exist, or the application's user may not execute it.",
     "Check PassengerAppStartCommand (or PassengerNodejs, PassengerPython), and run it as that user in the "
     "application's folder."},
    {[](const FailureFacts &f) {
         return when(hasAny(f.problem, {"(status 126)", "(status 127)", "\" could not be started: "}));
     },
     "The application's command does not exist, or the application's user may not execute it.",
     "Check PassengerAppStartCommand (or PassengerNodejs, PassengerPython, package.json's scripts.start), and run it "
     "as "
     "that user in the application's folder. PATH is that of the environment below."},
    {[](const FailureFacts &f) { return when(f.step == "application listens"); },
     "The application did not listen on its port.",
     "The application must listen on 127.0.0.1 and the port in the variable PORT. See its output."},
    {[](const FailureFacts &f) { return when(f.step == "Ruby started"); },
     "The Ruby interpreter does not exist, or the application's user may not execute it (all folders above it need x).",
     "Set PassengerRuby (or PassengerDefaultRuby) to the whole path, and run it as that user: RUBY -v"},
    {[](const FailureFacts &f) { return when(shellFoundNoInterpreter(f)); },
     "The login shell of the application's user could not start the Ruby interpreter: it does not exist, or that user "
     "may not execute it.",
     "Set PassengerRuby (or PassengerDefaultRuby) to the whole path, and run it as that user: RUBY -v"},
    {[](const FailureFacts &f) { return when(has(f.problem, "cannot become user")); },
     "The user or group of the application does not exist, or the agent may not change to it.",
     "Check PassengerUser, PassengerGroup and PassengerDefaultUser."},
    {[](const FailureFacts &f) { return when(has(f.problem, "spawn server could not be started")); },
     "The spawn server does not run: its Ruby is missing or broken, or the installation is incomplete.",
     "See its output. PassengerDefaultRuby names its Ruby, PassengerRoot the folder of the installation."},
    {[](const FailureFacts &f) { return when(has(f.problem, "the spawn server did not answer")); },
     "The spawn server hangs or is very slow: it was stopped, or the machine is overloaded. The application was not "
     "started.",
     "The next request starts another spawn server. See the log before event=spawn_server.hangs, and the load of the "
     "machine."},
    {[](const FailureFacts &f) { return when(has(f.problem, "the spawn server ended twice")); },
     "The spawn server is killed or crashes each time. The application was not started.",
     "The next request starts another spawn server. See the kernel's log (dmesg, journalctl -k), the service managers, "
     "and the output of the spawn server."},
    {[](const FailureFacts &f) { return when(has(f.problem, "must end with exec")); },
     "PassengerRuby names a script that starts Ruby as another process.",
     "Begin the script's last line with exec, so that Ruby replaces the script."},
    {[](const FailureFacts &f) { return when(has(f.problem, "environment is too large")); },
     "The environment variables of httpd's configuration are too long for one process.",
     "Set fewer or shorter variables with SetEnv."},
    {[](const FailureFacts &f) { return when(has(f.problem, "Permission denied")); },
     "httpd's agent or the application's user has no permission for the application's folder or startup file.",
     "Give that user the permission to enter the folder and all folders above it (chmod o+x, or a group)."},
    {[](const FailureFacts &f) { return when(has(f.problem, "No such file or directory")); },
     "The application's folder or its startup file does not exist.",
     "Check PassengerAppRoot and the DocumentRoot, and whether a deployment is running."},
    {exitStatus, "The process ended by itself with status {} before the application was loaded.",
     "The last output of the process usually has the reason. If there is none, start the application by hand, as its "
     "user: with the Ruby, Python, Node or command that is named below."},
};

std::string filled(std::string_view text, const std::string &finding) {
    std::string result(text);
    for (auto at = result.find("{}"); at != std::string::npos; at = result.find("{}", at + finding.size())) {
        result.replace(at, 2, finding);
    }
    return result;
}

}  // namespace

Diagnosis diagnose(const FailureFacts &failure) {
    std::size_t place = 0;
    for (const std::span<const DiagnosisRule> rules : {pythonRules(), std::span<const DiagnosisRule>(RULES)}) {
        for (const DiagnosisRule &rule : rules) {
            if (const Finding finding = rule.look(failure)) {
                return {filled(rule.cause, *finding), filled(rule.remedy, *finding), rule.brief, place};
            }
            ++place;
        }
    }
    return {"", "", "", place};
}

std::size_t diagnosisRules() noexcept {
    return pythonRules().size() + std::size(RULES);
}

}  // namespace Passenger
