#include "spawning/Diagnosis.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/Lists.h"
#include "spawning/DiagnosisRule.h"
#include "spawning/NodeRules.h"
#include "spawning/PythonRules.h"
#include "spawning/RubyRules.h"

namespace Passenger {

namespace {

/** The name that bridges and Node instances have for this step. */
constexpr const char *LISTENS = "application listens";

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

bool saysInUse(std::string_view text) {
    constexpr std::array<std::string_view, 3> WORDS{"EADDRINUSE", "Address already in use", "address already in use"};
    return std::any_of(WORDS.begin(), WORDS.end(),
                       [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

/** By an exception, or by what a program printed that did not listen. */
bool addressInUse(const FailureFacts &failure) {
    return isA(failure, {"Errno::EADDRINUSE"}) || saysInUse(beginning(failure.exceptionMessage)) ||
           (failure.step == LISTENS && saysInUse(failure.output));
}

/** The first line of an output with it has the sizes; FATAL ERROR is its class. */
Finding heapExhausted(const FailureFacts &failure) {
    return when(has(failure.exceptionMessage, "JavaScript heap out of memory"));
}

/** Node ends so where it cannot reserve its own memory, or has no thread. */
Finding addressSpaceIsShort(const FailureFacts &failure) {
    return when(failure.language == Language::NODE && crashed(failure) &&
                hasAny(failure.output, {"Fatal process OOM", "Fatal process out of memory", "uv_thread_create("}));
}

/** `libpq.so.5` in `…: libpq.so.5: cannot open shared object file: No such file or directory`. */
Finding missingSystemLibrary(const FailureFacts &failure) {
    for (const std::string &text : {failure.exceptionMessage, failure.lastError}) {
        const std::string_view message = beginning(text);
        const auto end = message.find(": cannot open shared object file");
        if (end == std::string_view::npos) {
            continue;
        }
        const std::string_view before = message.substr(0, end);
        const std::string_view name = before.substr(before.find_last_of(" \n") + 1);
        // A path is the native module itself.
        if (name.find('/') == std::string_view::npos) {
            return std::string(name);
        }
    }
    return std::nullopt;
}

/** `/srv/blog/app.js`, as lib/passenger/node/exported.js tells it. */
Finding exportingFile(const FailureFacts &failure) {
    const std::string_view text = beginning(failure.problem);
    const auto end = text.find(" exports a function and never calls listen()");
    const auto colon = text.substr(0, std::min(end, text.size())).rfind(": ");
    return end == std::string_view::npos || colon == std::string_view::npos
               ? std::nullopt
               : Finding(std::string(text.substr(colon + 2, end - colon - 2)));
}

Finding lastError(const FailureFacts &failure) {
    return failure.waitStatus && !failure.lastError.empty() ? Finding(failure.lastError) : std::nullopt;
}

Finding endedSilently(const FailureFacts &failure) {
    return failure.step == LISTENS ? exitStatus(failure) : std::nullopt;
}

Finding memoryIsShort(const FailureFacts &failure) {
    return when(isA(failure, {"NoMemoryError", "Errno::ENOMEM"}) || has(failure.problem, "Cannot allocate memory"));
}

Finding processesAreMany(const FailureFacts &failure) {
    return when(isA(failure, {"Errno::EAGAIN"}) || has(failure.problem, "Resource temporarily unavailable") ||
                has(failure.exceptionMessage, "can't create Thread") ||
                has(failure.exceptionMessage, "can't start new thread"));
}

/** The steps from START to HELLO. */
bool isBeforeHello(const std::string &step) {
    return step == "Ruby ready" || step == "Python ready" || step == "bridge ready" ||
           step == "shell environment loaded";
}

// The most specific rules come first, rules for whole classes of failures last.

/** How processes end, and causes that all languages tell alike. */
constexpr DiagnosisRule ENDS[] = {
    {[](const FailureFacts &f) { return when(f.timedOut && f.step == "preloader free"); },
     "The preloader was busy with other instances of the application all the time.",
     "The log shows how long each start takes. If that time is normal for the application, raise "
     "PassengerStartTimeout."},
    {[](const FailureFacts &f) { return when(f.timedOut && f.step == "instance forked"); },
     "The preloader or the new instance waits in the fork, often for a lock that another thread of a native gem held "
     "at that moment.",
     "The backtrace shows where each thread was. If a gem cannot be forked once it is loaded, set PassengerSpawnMethod "
     "direct."},
    {[](const FailureFacts &f) { return when(f.timedOut && f.step == LISTENS); },
     "The application did not listen on its port: it listens on another one, or on ::1 alone, or waits for something "
     "before. Or it listens, and none of its workers has loaded it.",
     "It must listen on 127.0.0.1 and the port in the variable PORT. See its output for what it waits for. If it is "
     "only slow, raise PassengerStartTimeout.",
     "nothing listens on 127.0.0.1 and the port in the variable PORT"},
    {[](const FailureFacts &f) { return when(f.timedOut && isBeforeHello(f.step)); },
     "The interpreter did not start: it, the application's folder, or the login shell's profile waits for something, "
     "such as a file system that does not answer.",
     "See whether df APPLICATION_FOLDER answers, as the application's user, and whether a login shell of that user "
     "starts at once: su -l USER. If it is only slow, raise PassengerStartTimeout."},
    {[](const FailureFacts &f) { return when(f.timedOut); },
     "The application waits for a resource, such as a database, a lock or another server; or it has much to load on a "
     "busy machine.",
     "The backtrace shows where each thread was. Repair what the application waits for, or give that wait a shorter "
     "time limit. If the application is only slow, raise PassengerStartTimeout."},
    {heapExhausted, "The memory that Node has for JavaScript's objects was exhausted.",
     "Look for what the application keeps while it loads. If it needs that much, raise the limit, in MB: SetEnv "
     "NODE_OPTIONS --max-old-space-size=4096. The last output shows the sizes."},
    {addressSpaceIsShort, "Node cannot reserve the memory, or start the threads, that it needs before the application.",
     "Raise the limit of address space or of processes (systemd: LimitAS=, LimitNPROC=, TasksMax=; "
     "PassengerTasksMax), or provide more memory. Node needs about 1 GB of address space (ulimit -v)."},
    {missingSystemLibrary, "The system library {} is missing, which the program or a native module needs.",
     "Install the package that has it (Debian: apt-file search {}), or build the program or the module anew on this "
     "system."},
    {[](const FailureFacts &f) { return when(killedBy(f, {SIGKILL})); },
     "The kernel killed the process because the machine, container or cgroup had no memory left; or a user or another "
     "process killed it.",
     "Look for \"Out of memory\" or \"oom-kill\" in the kernel's log (dmesg, journalctl -k). Provide more memory, or "
     "run fewer instances (PassengerMaxPoolSize)."},
    {[](const FailureFacts &f) { return when(crashed(f) && f.language == Language::RUBY); },
     "Native code crashed: a gem with a C extension, or Ruby itself. Often the gem was built for another Ruby or on "
     "another machine.",
     "Rebuild the gems (bundle pristine, or bundle install after removing the bundle). The last output of the process "
     "names the gem."},
    {[](const FailureFacts &f) { return when(crashed(f) && f.language == Language::PYTHON); },
     "Native code crashed: a module with a C extension, or Python itself. Often the module was built for another "
     "Python or on another machine.",
     "Install the modules anew (pip install --force-reinstall -r requirements.txt). With SetEnv PYTHONFAULTHANDLER 1 "
     "the last output names the module."},
    {[](const FailureFacts &f) { return when(crashed(f) && f.language == Language::NODE); },
     "Native code crashed: a package with a native module, or Node itself. Often the module was built for another Node "
     "or on another machine.",
     "Build the packages anew (npm rebuild, or npm ci), with the Node that runs the application. The last output of "
     "the process may name the package."},
    {[](const FailureFacts &f) { return when(crashed(f)); },
     "Native code crashed: the command, or a library that it uses. Often it was built for another system.",
     "Build or install the program anew on this system. Run the command by hand, as the application's user."},
    {[](const FailureFacts &f) {
         return when(killedBy(f, {SIGXCPU, SIGXFSZ}));
     },
     "The process exceeded its limit of processor time or of a file's size.",
     "See the limits below; they come from httpd's service (systemd: LimitCPU=, LimitFSIZE=)."},
    {otherSignal, "Another process, or the application itself, sent the signal {} to the process.",
     "Check the service managers, scripts and monitoring that end processes on this machine, and whether the "
     "application sends signals while it loads."},
    {memoryIsShort, "The machine has too little memory, or a limit on memory is too low.",
     "Provide more memory, raise the limit (systemd: MemoryMax=, LimitAS=), or run fewer instances "
     "(PassengerMaxPoolSize)."},
    {processesAreMany, "The user has reached the limit of processes and threads.",
     "Raise the limit (PassengerMaxBootProcesses, PassengerTasksMax; systemd: TasksMax=, LimitNPROC=), or run fewer "
     "instances (PassengerMaxPoolSize)."},
    {[](const FailureFacts &f) {
         return when(f.problem.starts_with("the step ") && has(f.problem, "Too many open files"));
     },
     "The agent has reached its limit of open files and sockets.",
     "Raise the limit of httpd's service (systemd: LimitNOFILE=; Debian: also APACHE_ULIMIT_MAX_FILES in "
     "/etc/apache2/envvars), and restart httpd."},
    {[](const FailureFacts &f) { return when(has(f.problem, "Argument list too long")); },
     "The environment variables are too long: one is longer than 128 KiB, or all of them need more than a quarter of "
     "the limit of the stack.",
     "Set fewer or shorter variables with SetEnv, or raise the limit of httpd's service (systemd: LimitSTACK=)."},
};

constexpr DiagnosisRule GENERAL[] = {
    {[](const FailureFacts &f) { return when(addressInUse(f)); },
     "The application opens a port or a socket while it loads, and another process uses it: perhaps another instance "
     "of the application.",
     "Do not let the application open a port of its own under mod_passenger. This command shows which process uses the "
     "port: ss -lptn",
     "it opens a port or socket that another process uses (EADDRINUSE): let it open none but that of $PORT; ss -lptn "
     "shows the other process"},
    {[](const FailureFacts &f) { return when(isA(f, {"SystemExit"})); }, "The application called exit while it loaded.",
     "The last output of the process usually has the reason."},
    {[](const FailureFacts &f) { return when(!f.exceptionClass.empty()); },
     "The application raised an exception while it loaded.",
     "See the lines of the backtrace that belong to the application. Python writes the last call last, others first."},

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
    {exportingFile,
     "{} exports a function and never calls listen(). mod_passenger runs the file as Node does, and calls no function "
     "that it exports.",
     "Add at its end: require(\"http\").createServer(module.exports).listen(process.env.PORT). If another file calls "
     "listen(), such as bin/www, name that one: PassengerStartupFile bin/www"},
    {lastError, "The command ended before it served, with this error: {}",
     "Correct what the error names. The output below has the lines before it; or run the command by hand, as the "
     "application's user, in its folder."},
    {endedSilently, "The command ended by itself with status {} before it served.",
     "It must stay in the foreground, and listen on 127.0.0.1 and the port in the variable PORT. If there is no output "
     "below, run it by hand, as the application's user, in its folder."},
    {[](const FailureFacts &f) { return when(acceptedNone(f)); },
     "The server listens, but no worker of it has loaded the application: the workers fail, or wait for something.",
     "See its output for what they fail at, or wait for. If they are only slow, raise PassengerStartTimeout."},
    {[](const FailureFacts &f) { return when(f.step == LISTENS); }, "The application did not listen on its port.",
     "The application must listen on 127.0.0.1 and the port in the variable PORT. See its output."},
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

struct Table {
    /** Nothing: all languages. */
    std::optional<Language> language;
    std::span<const DiagnosisRule> rules;
};

std::array<Table, 5> tables() noexcept {
    return {Table{std::nullopt, ENDS}, Table{Language::RUBY, rubyRules()}, Table{Language::PYTHON, pythonRules()},
            Table{Language::NODE, nodeRules()}, Table{std::nullopt, GENERAL}};
}

}  // namespace

Diagnosis diagnose(const FailureFacts &failure) {
    std::size_t place = 0;
    for (const Table &table : tables()) {
        if (table.language && *table.language != failure.language) {
            place += table.rules.size();
            continue;
        }
        for (const DiagnosisRule &rule : table.rules) {
            if (const Finding finding = rule.look(failure)) {
                return {filled(rule.cause, *finding), filled(rule.remedy, *finding), rule.brief, place};
            }
            ++place;
        }
    }
    return {"", "", "", place};
}

std::size_t diagnosisRules() noexcept {
    return sumOf(std::size_t{0}, tables(), [](const Table &table) { return table.rules.size(); });
}

}  // namespace Passenger
