#include "bridge/AppKeeper.h"

#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/ProcessTree.h"
#include "base/SignalDescriptor.h"
#include "bridge/ProcessTitle.h"
#include "io/SocketPair.h"

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using Deadline = std::chrono::steady_clock::time_point;

/** From SIGTERM to SIGKILL. The agent gives instances more time when httpd ends. */
constexpr auto GRACE = 2s;
constexpr auto KILL_LIMIT = 5s;
/** The keeper's descriptor of its socket. */
constexpr int SOCKET = 3;
constexpr char STOP = 's';
/** The keeper's first message, if the command runs. */
constexpr std::string_view STARTED = "started";

/**
 * Reaps all ended processes: the command and its orphans.
 * @return the command's status, if it ended
 */
std::optional<int> reap(pid_t command) {
    std::optional<int> status;
    int one = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &one, WNOHANG)) > 0;) {
        if (pid == command) {
            status = one;
        }
    }
    return status;
}

/** Waits for the end of the command, at most until `deadline`. */
std::optional<int> awaitEnd(const FileDescriptor &children, pid_t command, Deadline deadline) {
    for (;;) {
        if (const auto status = reap(command)) {
            return status;
        }
        if (!pollUntil(children.get(), POLLIN, deadline)) {
            return std::nullopt;
        }
        signalfd_siginfo ignored{};
        static_cast<void>(!read(children.get(), &ignored, sizeof(ignored)));
    }
}

void sendTo(const FileDescriptor &socket, std::string_view message) {
    send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL);
}

void sendEnding(const FileDescriptor &socket, int status, const std::string &error) {
    sendTo(socket, std::to_string(status) + " " + error);
}

void removeFolder(const std::string &folder) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
}

/** Returns when the bridge asks for the end, or when the bridge or the command has ended. */
void keep(const FileDescriptor &socket, const FileDescriptor &children, pid_t command, const std::string &folder) {
    for (;;) {
        pollfd entries[2] = {{socket.get(), POLLIN, 0}, {children.get(), POLLIN, 0}};
        if (poll(entries, 2, -1) < 0 && errno != EINTR) {
            return;
        }
        if (const auto status = awaitEnd(children, command, Deadline::min())) {
            // The bridge may kill all that is left once it knows the end, this process included.
            removeFolder(folder);
            sendEnding(socket, *status, "");
            return;
        }
        if (entries[0].revents != 0) {
            char order = 0;
            if (recv(socket.get(), &order, 1, MSG_DONTWAIT) == 1) {
                ::kill(-command, SIGTERM);
                awaitEnd(children, command, deadlineIn(GRACE));
            }
            return;
        }
    }
}

/** Runs in the keeper. */
void runKeeper(const FileDescriptor &socket, const AppCommand &app, const std::string &folder) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    setProcessTitle("Passenger keeper: " + app.name);
    ::prctl(PR_SET_NAME, "passenger-keep");
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
        ::signal(signal, SIG_IGN);
    }
    const FileDescriptor children = makeSignalDescriptor({SIGCHLD});
    ChildProcess::Command command;
    command.program = app.program;
    command.arguments = app.arguments;
    command.environment = app.environment;
    command.newSession = true;
    command.parentDeathSignal = SIGKILL;
    try {
        ChildProcess process(command);
        sendTo(socket, STARTED);
        keep(socket, children, process.release(), folder);
    } catch (const std::exception &error) {
        sendEnding(socket, 0, error.what());
    }
    killDescendants(KILL_LIMIT);
    removeFolder(folder);
}

}  // namespace

AppKeeper::AppKeeper(const AppCommand &command, const std::string &folder) {
    DescriptorPair pair = makeSeqPacketPair();
    const pid_t pid = fork();
    if (pid < 0) {
        throw SystemException("fork", errno);
    }
    if (pid == 0) {
        // The keeper holds none of the bridge's descriptors, above all not the control socket.
        ::dup2(pair.second.get(), SOCKET);
        ::syscall(SYS_close_range, static_cast<unsigned>(SOCKET + 1), UINT_MAX, 0U);
        runKeeper(FileDescriptor(SOCKET), command, folder);
        ::_exit(0);
    }
    socket_ = std::move(pair.first);
    pair.second.reset();
    if (std::string first = receive(); first != STARTED) {
        notStarted_ = std::move(first);
    }
}

/** The keeper's next message; empty: it has ended. */
std::string AppKeeper::receive() const {
    std::string buffer(4096, '\0');
    const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    buffer.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return buffer;
}

AppKeeper::Ending AppKeeper::takeEnding() {
    const std::string message = notStarted_.empty() ? receive() : notStarted_;
    if (message.empty()) {
        return {"the keeper of the command was killed", 0};
    }
    const auto blank = message.find(' ');
    return {message.substr(blank + 1), std::stoi(message)};
}

void AppKeeper::finish() {
    if (send(socket_.get(), &STOP, 1, MSG_NOSIGNAL) != 1) {
        return;
    }
    char buffer[4096];
    while (recv(socket_.get(), buffer, sizeof(buffer), 0) > 0) {
    }
}

}  // namespace Passenger::Bridge
