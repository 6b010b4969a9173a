#include "bridge/Application.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "bridge/EventLog.h"
#include "bridge/ProcessTitle.h"

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Between two attempts to connect.
constexpr milliseconds FIRST_PAUSE = 2ms;
constexpr milliseconds LONGEST_PAUSE = 50ms;
constexpr auto CONNECT_LIMIT = 1s;

constexpr const char *DEFAULT_HOST = "127.0.0.1";
constexpr const char *DEFAULT_SPAWN_DIR = "/tmp";
constexpr const char *DEFAULT_STOP_TIMEOUT = "5";
/** The thread_count of an application without a limit (Options::NO_THREAD_LIMIT). */
constexpr unsigned long NO_THREAD_LIMIT = 8192;

constexpr const char *REMEDY =
    "The command of PassengerAppStartCommand must stay in the foreground. It must serve HTTP on the port in the "
    "environment variable PORT, or on the Unix socket in PASSENGER_SOCKET if the command contains that name. Example: "
    "PassengerAppStartCommand \"myserver --port $PORT\".";

constexpr const char *NODE_REMEDY =
    "The application must call listen() of a server of Node's module http; whatever port it names, the server gets the "
    "module's socket. A server that listens only after a connection to a database, say, needs that first.";

constexpr const char *WORKERS_REMEDY =
    "A server of several processes listens before one of its workers has loaded the application, and accepts "
    "connections after that. Its output says why the workers did not load it, or what they wait for.";

constexpr std::string_view SHELL = "/bin/sh";

/** POSIX, sh: the exit status when a command cannot be executed. Null: it is another one. */
const char *problemOfShell(int waitStatus) {
    constexpr int NOT_EXECUTABLE = 126;
    constexpr int NOT_FOUND = 127;
    const int status = WIFEXITED(waitStatus) ? WEXITSTATUS(waitStatus) : 0;
    return status == NOT_FOUND        ? "was not found, or what it starts was not (status 127)"
           : status == NOT_EXECUTABLE ? "is not executable for the application's user (status 126)"
                                      : nullptr;
}

/** " (killed by signal 9 (Killed))", where a shell's status tells it. */
std::string deathOfShell(int waitStatus) {
    const int signal = signalOfShell(waitStatus);
    return signal > 0 ? fmt::format(" ({})", describeWaitStatus(signal)) : "";
}

StartFailure ended(const std::string &message, const AppKeeper::Ending &ending) {
    StartFailure failure(message);
    failure.status = ending.status;
    return failure;
}

/** Our loaders listen on a Unix socket, and so do commands that mention its variable. */
bool wantsSocket(const Application::Options &options) {
    const std::string command = optionNamed("start_command", options);
    return command.empty() || command.find("PASSENGER_SOCKET") != std::string::npos;
}

/** The keeper removes the folder. If the keeper was killed, too, the agent finds it by its name. */
std::string makePrivateFolder(const std::string &parent) {
    std::string folder = fmt::format("{}/passenger.{}.XXXXXX", parent, getpid());
    if (mkdtemp(folder.data()) == nullptr) {
        throw StartFailure(
            fmt::format("cannot make a private folder for the application's socket in PassengerSpawnDir \"{}\": {}",
                        parent, strerror(errno)));
    }
    return folder;
}

/** The folder is in use while a process holds the lock. */
FileDescriptor lock(const std::string &folder) {
    FileDescriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor) {
        ::flock(descriptor.get(), LOCK_SH | LOCK_NB);
    }
    return descriptor;
}

}  // namespace

StartFailure StartFailure::fromReport(const std::string &report) {
    const auto first = report.find('\0');
    const auto second = std::min(report.find('\0', first + 1), report.size());
    StartFailure failure(first == std::string::npos ? report : report.substr(first + 1, second - first - 1));
    failure.exceptionClass = first == std::string::npos ? "Error" : report.substr(0, first);
    failure.backtrace = report.substr(std::min(second + 1, report.size()));
    return failure;
}

Application::Application(const Options &options, const std::string &library)
    : host_(optionNamed("instance_address", options, DEFAULT_HOST)),
      startTimeout_(optionNamed("start_timeout", options)),
      stopTimeout_(std::stoul(optionNamed("stop_timeout", options, DEFAULT_STOP_TIMEOUT))),
      takesAll_(std::stoul(optionNamed("thread_count", options, "1")) >= NO_THREAD_LIMIT) {
    try {
        choosePort();
        std::string path;
        if (wantsSocket(options)) {
            folder_ = makePrivateFolder(optionNamed("spawn_dir", options, DEFAULT_SPAWN_DIR));
            folderLock_ = lock(folder_);
            path = folder_ + "/socket";
            socket_ = AppAddress::unixSocket(path);
        }
        command_ = AppCommand::fromOptions(options, library, port_.port(), path);
        setProcessTitle("Passenger bridge: " + command_.name);
        command_.tell();
    } catch (const std::exception &error) {
        removeFolder();
        throw StartFailure(error.what());
    }
}

void Application::choosePort() {
    port_ = AppAddress::tcp(host_, AppAddress::unusedPort(host_));
}

/** For the time before the keeper exists, which removes it later. */
void Application::removeFolder() const noexcept {
    if (!folder_.empty()) {
        rmdir(folder_.c_str());
    }
}

void Application::start() {
    try {
        keeper_.emplace(command_, folder_, stopTimeout_);
    } catch (const std::exception &error) {
        removeFolder();
        throw StartFailure(error.what());
    }
}

bool Application::awaitAccepting(int agent, Deadline deadline) {
    bool listens = false;
    for (milliseconds pause = FIRST_PAUSE; !acceptsConnections(); pause = std::min(pause * 3 / 2, LONGEST_PAUSE)) {
        if (steady_clock::now() >= deadline) {
            failSilent();
        }
        if (!listenedOn_.empty() && !std::exchange(listens, true)) {
            pause = FIRST_PAUSE;
        }
        pollfd entries[2] = {{keeper_->descriptor(), POLLIN, 0}, {agent, POLLIN, 0}};
        if (poll(entries, 2, static_cast<int>(pause.count())) <= 0) {
            continue;
        }
        // A command that ended at the same moment is not started again for nobody.
        if (entries[1].revents != 0) {
            return false;
        }
        const AppKeeper::Ending ending = keeper_->takeEnding();
        keeper_->finish();
        if (!startOnAnotherPort()) {
            failEnded(ending);
        }
    }
    // A process that answers one connection after the other waits for the end of these.
    portProbe_ = AcceptProbe();
    socketProbe_ = AcceptProbe();
    return true;
}

/**
 * The command has ended, and all its processes. False: not because of its port. Until it listened,
 * the kernel may have given the port to a connection of another process. The keeper has removed the
 * folder of a Unix socket, for which the port matters less.
 */
bool Application::startOnAnotherPort() {
    if (socket_ || !listenedOn_.empty() || otherPort_ || !port_.isTaken()) {
        return false;
    }
    otherPort_ = true;
    EventLog::write("app.port_taken", fmt::format("port={} action=\"started again with another one\"", port_.port()));
    choosePort();
    command_.usePort(port_.port());
    start();
    return true;
}

/** Does not wait for a process that accepts the connections of the probes. */
bool Application::acceptsConnections() {
    if (socket_ && connected(socketProbe_, *socket_) && socketProbe_.accepted()) {
        address_ = *socket_;
        onSocket_ = true;
        return true;
    }
    if (connected(portProbe_, port_) && portProbe_.accepted()) {
        address_ = port_;
        return true;
    }
    return false;
}

/** Whether the probe has a connection, perhaps a new one. */
bool Application::connected(AcceptProbe &probe, const AppAddress &address) {
    if (!probe) {
        FileDescriptor connection = address.connect(steady_clock::now() + CONNECT_LIMIT);
        if (connection && (address.port() == 0 || isListener())) {
            probe = AcceptProbe(std::move(connection));
            listenedOn_ = address.text();
        }
    }
    return static_cast<bool>(probe);
}

/**
 * Whether a process of this user listens. Another user's process may have taken the port that was
 * free a moment ago. False: the listener has gone.
 */
bool Application::isListener() {
    std::optional<uid_t> user;
    try {
        user = port_.listener();
    } catch (const SystemException &error) {
        keeper_->finish();
        throw StartFailure(
            fmt::format("whose process listens on {} cannot be found out: {}", port_.text(), error.what()));
    }
    if (user && *user != geteuid()) {
        keeper_->finish();
        throw StartFailure(
            fmt::format("{} is taken by a process of another user (uid {}); the next attempt uses another port",
                        port_.text(), *user));
    }
    return user.has_value();
}

void Application::failEnded(const AppKeeper::Ending &ending) const {
    if (!ending.error.empty()) {
        throw StartFailure(fmt::format("the command \"{}\" could not be started: {}", command_.text(), ending.error));
    }
    if (!ending.report.empty()) {
        StartFailure failure = StartFailure::fromReport(ending.report);
        failure.status = ending.status;
        // A process that has ended well is the cause only if the command has ended so, too.
        if (!failure.exceptionClass.empty() || ending.status == 0) {
            throw failure;
        }
    }
    if (const char *problem = problemOfShell(ending.status); problem != nullptr && command_.program == SHELL) {
        throw ended(fmt::format("the command \"{}\" {}", command_.text(), problem), ending);
    }
    const bool listened = !listenedOn_.empty();
    throw ended(fmt::format("the command \"{}\" {} before it {} {}\n{}", command_.text(),
                            describeEnd(ending.status) + deathOfShell(ending.status),
                            listened ? "accepted a connection on" : "listened on", listened ? listenedOn_ : places(),
                            listened ? WORKERS_REMEDY : remedy()),
                ending);
}

const char *Application::remedy() const {
    return command_.isNode ? NODE_REMEDY : REMEDY;
}

void Application::failSilent() {
    keeper_->finish();
    if (!listenedOn_.empty()) {
        throw StartFailure(
            fmt::format("the command \"{}\" has listened on {}, but has accepted no connection after "
                        "PassengerStartTimeout, {} seconds\n{}",
                        command_.text(), listenedOn_, startTimeout_, WORKERS_REMEDY));
    }
    throw StartFailure(
        fmt::format("the command \"{}\" runs, but nothing listens on {} (PORT) after PassengerStartTimeout, "
                    "{} seconds\n{}",
                    command_.text(), places(), startTimeout_, remedy()));
}

std::string Application::places() const {
    return socket_ ? fmt::format("{} or {}", port_.text(), socket_->text()) : port_.text();
}

std::string Application::describe(const AppKeeper::Ending &ending) {
    return ending.error.empty() ? describeWaitStatus(ending.status) : ending.error;
}

}  // namespace Passenger::Bridge
