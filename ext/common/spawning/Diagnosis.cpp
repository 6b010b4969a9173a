#include "spawning/Diagnosis.h"

#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <string_view>

namespace Passenger {

namespace {

/** Messages can be long. The text that identifies the cause is at their beginning. */
constexpr std::size_t LOOKED_AT = 4096;

/**
 * The finding of a rule; it replaces each {} in the rule's texts. Nothing: the rule does not apply.
 */
using Finding = std::optional<std::string>;

struct Rule {
    Finding (*look)(const FailureFacts &);
    const char *cause;
    const char *remedy;
};

std::string_view beginning(const std::string &text) {
    return std::string_view(text).substr(0, LOOKED_AT);
}

bool has(const std::string &text, std::string_view part) {
    return beginning(text).find(part) != std::string_view::npos;
}

bool hasAny(const std::string &text, std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) {
        if (has(text, part)) {
            return true;
        }
    }
    return false;
}

bool isA(const FailureFacts &failure, std::initializer_list<std::string_view> classes) {
    for (const std::string_view name : classes) {
        if (failure.exceptionClass == name) {
            return true;
        }
    }
    return false;
}

Finding when(bool applies) {
    return applies ? Finding("") : std::nullopt;
}

/** The text after `marker`, up to one of `ends`. Nothing without the marker. */
Finding behind(const std::string &text, std::string_view marker, std::string_view ends) {
    const std::string_view looked = beginning(text);
    const auto at = looked.find(marker);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view rest = looked.substr(at + marker.size());
    return std::string(rest.substr(0, rest.find_first_of(ends)));
}

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

/** The shell ends with 127 where the program is not there, and with 126 where it may not be
 *  executed (POSIX, sh). */
Finding shellCouldNotExecute(const FailureFacts &failure) {
    if (failure.step != "shell environment loaded" || !failure.waitStatus || !WIFEXITED(*failure.waitStatus)) {
        return std::nullopt;
    }
    const int status = WEXITSTATUS(*failure.waitStatus);
    return when(status == 126 || status == 127);
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

Finding memoryIsShort(const FailureFacts &failure) {
    return when(isA(failure, {"NoMemoryError", "Errno::ENOMEM"}) || has(failure.problem, "Cannot allocate memory"));
}

Finding processesAreMany(const FailureFacts &failure) {
    return when(isA(failure, {"Errno::EAGAIN"}) || has(failure.problem, "Resource temporarily unavailable"));
}

// The most specific rules come first, rules for whole classes of failures last.
constexpr Rule RULES[] = {
    {[](const FailureFacts &f) { return when(f.timedOut && f.step == "preloader free"); },
     "Other instances of the application were being started all the time, one after the other.",
     "See in the log how long each of them takes. Raise PassengerStartTimeout if they are slow for a good reason."},
    {[](const FailureFacts &f) { return when(f.timedOut && f.step == "instance forked"); },
     "The preloader or the new instance waits in the fork for something that does not come, often a lock that another "
     "thread of a native gem had at that moment.",
     "The backtrace shows where each thread was. If a gem cannot be forked once it is loaded, set PassengerSpawnMethod "
     "direct."},
    {[](const FailureFacts &f) { return when(f.timedOut); },
     "The application waits for something that does not come, such as a database, a lock or another server; or it has "
     "much to load on a busy machine.",
     "The backtrace shows where each thread was. Mend what it waits for, or give it a shorter time limit there. If it "
     "only is slow, raise PassengerStartTimeout."},
    {[](const FailureFacts &f) { return when(killedBy(f, {SIGKILL})); },
     "The kernel ended the process since memory ran out (the machine's, or that of its container or cgroup), or "
     "somebody killed it.",
     "Look for \"Out of memory\" or \"oom-kill\" in the kernel's log (dmesg, journalctl -k). Give it more memory, or "
     "run "
     "fewer instances (PassengerMaxPoolSize)."},
    {[](const FailureFacts &f) {
         return when(killedBy(f, {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS}));
     },
     "Native code crashed: a gem with a C extension, or Ruby itself. Often the gem was built for another Ruby or on "
     "another machine.",
     "Rebuild the gems (bundle pristine, or bundle install after removing the bundle). What the process printed last "
     "names the gem."},
    {[](const FailureFacts &f) {
         return when(killedBy(f, {SIGXCPU, SIGXFSZ}));
     },
     "The process went over a limit of its processor time or of a file's size.",
     "See the limits below; they come from httpd's service (systemd: LimitCPU=, LimitFSIZE=)."},
    {otherSignal, "Somebody, or the application itself, has sent the process the signal {}.",
     "See what ends processes on this machine (service managers, scripts, monitoring), and whether the application "
     "sends signals while it loads."},

    {syntaxError,
     "The file does not follow Ruby's grammar: {}. It may be written for a newer Ruby than the one that runs it.",
     "Mend the line that the message names, or the one before it. Check with: ruby -c FILE. PassengerRuby chooses the "
     "Ruby."},
    {[](const FailureFacts &f) { return when(f.exceptionClass == "Bundler::RubyVersionMismatch"); },
     "The Gemfile asks for another version of Ruby than the one that runs the application.",
     "Let PassengerRuby (or PassengerDefaultRuby) name the Ruby that the Gemfile wants, or change the Gemfile's line "
     "\"ruby\"."},
    {gemInstalledAnew,
     "Ruby's own Bundler wants to install {} while the application loads. It does not see that a package of Debian has "
     "installed that gem.",
     "Let nothing be installed in a start: gemfile(true) of bundler/inline becomes gemfile, and bundle install becomes "
     "bundle lock --local --update, which takes what is installed."},
    {lockNotWritten,
     "{} is not there or does not fit the Gemfile, and the application's user may not write it. Perhaps bundle "
     "install has failed.",
     "Run bundle install in the application's folder, as its owner. If it \"could not find\" a gem \"for "
     "installation\", Debian's packages bring the gems: then run bundle lock --local --update instead."},
    {missingGem, "A gem is not installed for this Ruby and this user: {}",
     "Run bundle install in the application's folder, as the user and with the Ruby that are named below. Where "
     "Debian's packages bring the gems, run bundle lock --local --update instead: it takes the versions that are "
     "installed."},
    {[](const FailureFacts &f) {
         return when(hasAny(f.exceptionMessage, {"already activated", "but your Gemfile requires"}));
     },
     "Two versions of a gem are wanted: one was loaded before the application's Gemfile was read.",
     "Run bundle update for that gem, or name it in the Gemfile."},
    {[](const FailureFacts &f) { return when(f.step == "Bundler"); },
     "Bundler could not make the application's gems ready.",
     "Run bundle install in the application's folder, as the user and with the Ruby that are named below, and see "
     "what it says."},
    {missingLibrary,
     "The library \"{}\" is not there for this Ruby: its gem is not installed or not in the Gemfile, or the path is "
     "wrong.",
     "Add the gem to the Gemfile and run bundle install, as the user and with the Ruby that are named below; or mend "
     "the require."},
    {missingVariable, "The application wants \"{}\", which is not set; most likely an environment variable.",
     "Set it in httpd's configuration (SetEnv {} VALUE), and look at the environment below."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"Errno::EADDRINUSE"}) || has(f.exceptionMessage, "Address already in use"));
     },
     "The application opens a port or a socket while it loads, and another process has it: perhaps another instance "
     "of itself.",
     "Let the application open no port of its own when it is served here; find who has it with: ss -lptn"},
    {[](const FailureFacts &f) { return fileOf(f, "Errno::EACCES"); },
     "The user that the application runs as has no permission for {}, or for a folder above it.",
     "Give the user that is named below the permission (chown, chmod; folders need x). PassengerUser chooses another "
     "user."},
    {[](const FailureFacts &f) { return fileOf(f, "Errno::EPERM"); },
     "The user that the application runs as may not do that: {}",
     "See which permission it needs. PassengerUser chooses another user."},
    {[](const FailureFacts &f) { return fileOf(f, "Errno::ENOENT"); }, "It is not there: {}",
     "See whether it was deployed, and whether the path is right for the application's folder."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"Errno::EMFILE", "Errno::ENFILE"}));
     },
     "The process has as many files and sockets open as it may.",
     "Raise the limit of httpd's service (systemd: LimitNOFILE=), or let the application open fewer."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"Errno::ENOSPC", "Errno::EDQUOT", "Errno::EROFS"}));
     },
     "The application writes while it loads, and the file system is full or may not be written.",
     "Make room, or give it a folder where it may write."},
    {memoryIsShort, "There is not enough memory: the machine's, or what a limit allows.",
     "Give it more memory, raise the limit (systemd: MemoryMax=, LimitAS=), or run fewer instances "
     "(PassengerMaxPoolSize)."},
    {processesAreMany, "The user has as many processes and threads as it may.",
     "Raise the limit (systemd: TasksMax=, LimitNPROC=), or run fewer instances (PassengerMaxPoolSize)."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"ActiveRecord::ConnectionNotEstablished", "ActiveRecord::DatabaseConnectionError",
                             "ActiveRecord::NoDatabaseError", "PG::ConnectionBad", "Mysql2::Error::ConnectionError",
                             "Redis::CannotConnectError", "RedisClient::CannotConnectError", "Errno::ECONNREFUSED"}));
     },
     "The application needs a database or another server while it loads, and cannot reach it.",
     "See whether that server runs, and whether the address and the account in the application's settings are right."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"ActiveSupport::MessageEncryptor::InvalidMessage",
                             "ActiveSupport::EncryptedFile::MissingKeyError"}) ||
                     hasAny(f.exceptionMessage, {"secret_key_base"}));
     },
     "The application's secrets cannot be read: the key is missing or another one.",
     "Set SECRET_KEY_BASE or RAILS_MASTER_KEY in httpd's configuration (SetEnv), or deploy config/master.key, readable "
     "for the application's user."},
    {[](const FailureFacts &f) { return when(isA(f, {"SystemExit"})); }, "The application called exit while it loaded.",
     "What it printed last says why, as a rule: see its output."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"NameError", "NoMethodError", "ArgumentError", "TypeError"}));
     },
     "A mistake in the application or one of its gems, or a gem of a version that it was not written for.",
     "See the first lines of the backtrace that are the application's own."},
    {[](const FailureFacts &f) { return when(has(f.exceptionMessage, "gives no application to run")); },
     "The startup file does not call run.", "Its last line should be: run YOUR_APPLICATION"},
    {[](const FailureFacts &f) { return when(!f.exceptionClass.empty()); },
     "The application raised an exception while it loaded.",
     "See the first lines of the backtrace that are the application's own."},

    {[](const FailureFacts &f) { return when(f.step == "command started"); },
     "The application's command is not there, or its user may not execute it.",
     "See PassengerAppStartCommand (or PassengerNodejs, PassengerPython), and try it as that user in the application's "
     "folder."},
    {[](const FailureFacts &f) { return when(f.step == "application listens"); },
     "The application did not take connections where it was told to.",
     "It must listen on 127.0.0.1 and the port that the variable PORT names. See its output."},
    {[](const FailureFacts &f) { return when(f.step == "Ruby started"); },
     "The Ruby interpreter is not there, or the application's user may not execute it (it needs x on all folders "
     "above it).",
     "Let PassengerRuby (or PassengerDefaultRuby) name it by its whole path, and try it as that user: RUBY -v"},
    {shellCouldNotExecute,
     "The login shell of the application's user could not start the Ruby interpreter: it is not there, or that user "
     "may not execute it.",
     "Let PassengerRuby (or PassengerDefaultRuby) name it by its whole path, and try it as that user: RUBY -v"},
    {[](const FailureFacts &f) { return when(f.step == "privileges dropped"); },
     "The user or group that the application is to run as does not exist, or the change to it was forbidden.",
     "See PassengerUser, PassengerGroup and PassengerDefaultUser."},
    {[](const FailureFacts &f) { return when(has(f.problem, "spawn server could not be started")); },
     "The program that starts applications does not run: its Ruby is missing or broken, or the installation is not "
     "whole.",
     "See its output. PassengerDefaultRuby chooses its Ruby, PassengerRoot where it is installed."},
    {[](const FailureFacts &f) { return when(has(f.problem, "the spawn server did not answer")); },
     "The program that starts applications hangs or is very slow, since it was stopped or the machine has too much to "
     "do; the application was not reached.",
     "The next request starts another one. See in the log what came before event=spawn_server.hangs, and what else the "
     "machine does."},
    {[](const FailureFacts &f) { return when(has(f.problem, "the spawn server ended twice")); },
     "The program that starts applications is killed or crashes each time; the application was not reached.",
     "The next request starts another one. See what ends it: the kernel's log (dmesg, journalctl -k), service "
     "managers, "
     "and what it has printed."},
    {[](const FailureFacts &f) { return when(has(f.problem, "must end with exec")); },
     "PassengerRuby names a script that starts Ruby as another process.",
     "Let the script's last line begin with exec, so that Ruby takes its place."},
    {[](const FailureFacts &f) { return when(has(f.problem, "environment is too large")); },
     "The environment variables of httpd's configuration are more than can be passed on.",
     "Set fewer or shorter ones with SetEnv."},
    {[](const FailureFacts &f) { return when(has(f.problem, "Permission denied")); },
     "httpd's agent or the application's user has no permission for the application's folder or startup file.",
     "Give it the permission to enter the folder, and all above it (chmod o+x, or a group)."},
    {[](const FailureFacts &f) { return when(has(f.problem, "No such file or directory")); },
     "The application's folder or its startup file is not there.",
     "See PassengerAppRoot and the DocumentRoot, and whether a deploy is under way."},
    {exitStatus, "The process ended by itself with status {} before the application was loaded.",
     "What it printed last says why, as a rule: see its output. If there is none, run the Ruby that is named below by "
     "hand, as the application's user."},
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
    for (const Rule &rule : RULES) {
        if (const Finding finding = rule.look(failure)) {
            return {filled(rule.cause, *finding), filled(rule.remedy, *finding), place};
        }
        ++place;
    }
    return {"", "", place};
}

std::size_t diagnosisRules() noexcept {
    return std::size(RULES);
}

}  // namespace Passenger
