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
#include <exception>
#include <filesystem>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/Poll.h"
#include "base/ProcessTree.h"
#include "base/SignalDescriptor.h"
#include "bridge/ProcessTitle.h"
#include "io/SocketPair.h"

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using Deadline = std::chrono::steady_clock::time_point;

constexpr auto KILL_LIMIT = 5s;
/** Bytes of a report that reach the agent, and of the file that may have it. */
constexpr std::size_t LONGEST_REPORT = 48 * 1024;
constexpr std::uintmax_t LARGEST_FILE = 1024 * 1024;
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

/** Waits for the end of all children: those of a shell that has ended are this process's. */
void awaitAll(const FileDescriptor &children, Deadline deadline) {
    for (;;) {
        pid_t ended = 0;
        do {
            ended = ::waitpid(-1, nullptr, WNOHANG);
        } while (ended > 0);
        if (ended < 0 || !pollUntil(children.get(), POLLIN, deadline)) {
            return;
        }
        signalfd_siginfo ignored{};
        static_cast<void>(!read(children.get(), &ignored, sizeof(ignored)));
    }
}

void sendTo(const FileDescriptor &socket, std::string_view message) {
    send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL);
}

void sendEnding(const FileDescriptor &socket, int status, const std::string &error, const std::string &report = "") {
    sendTo(socket, fmt::format("{} {}\n{}", status, error, report.substr(0, LONGEST_REPORT)));
}

/** The application wrote it. */
std::string reportIn(const std::string &folder) {
    return folder.empty() ? "" : regularFileContent(folder + "/failure", LARGEST_FILE);
}

void removeFolder(const std::string &folder) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
}

/** Returns when the bridge asks for the end, or when the bridge or the command has ended. */
void keep(const FileDescriptor &socket, const FileDescriptor &children, pid_t command, const std::string &folder,
          std::chrono::seconds grace) {
    for (;;) {
        pollfd entries[2] = {{socket.get(), POLLIN, 0}, {children.get(), POLLIN, 0}};
        if (poll(entries, 2, -1) < 0 && errno != EINTR) {
            return;
        }
        if (const auto status = awaitEnd(children, command, Deadline::min())) {
            // The bridge may kill all that is left once it knows the end, this process included.
            const std::string report = reportIn(folder);
            removeFolder(folder);
            sendEnding(socket, *status, "", report);
            return;
        }
        if (entries[0].revents != 0) {
            char order = 0;
            if (recv(socket.get(), &order, 1, MSG_DONTWAIT) == 1) {
                ::kill(-command, SIGTERM);
                // A shell may end before the application that it has started.
                awaitAll(children, deadlineIn(grace));
            }
            return;
        }
    }
}

/** Runs in the keeper. */
void runKeeper(const FileDescriptor &socket, const AppCommand &app, const std::string &folder,
               std::chrono::seconds grace) {
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
        keep(socket, children, process.release(), folder, grace);
    } catch (const std::exception &error) {
        sendEnding(socket, 0, error.what());
    }
    killDescendants(KILL_LIMIT);
    removeFolder(folder);
}

}  // namespace

AppKeeper::AppKeeper(const AppCommand &command, const std::string &folder, std::chrono::seconds grace) {
    DescriptorPair pair = makeSeqPacketPair();
    const pid_t pid = fork();
    throwUnless(pid >= 0, "fork");
    if (pid == 0) {
        // The keeper holds none of the bridge's descriptors, above all not the control socket.
        ::dup2(pair.second.get(), SOCKET);
        ::syscall(SYS_close_range, static_cast<unsigned>(SOCKET + 1), UINT_MAX, 0U);
        runKeeper(FileDescriptor(SOCKET), command, folder, grace);
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
    std::string buffer(LONGEST_REPORT + 4096, '\0');
    const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    buffer.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return buffer;
}

AppKeeper::Ending AppKeeper::takeEnding() {
    const std::string message = notStarted_.empty() ? receive() : notStarted_;
    if (message.empty()) {
        return {"the keeper of the command was killed", 0, ""};
    }
    const auto blank = message.find(' ');
    const auto end = message.find('\n');
    return {message.substr(blank + 1, end - blank - 1), std::stoi(message), message.substr(end + 1)};
}

void AppKeeper::beginFinish() noexcept {
    sendTo(socket_, {&STOP, 1});
}

bool AppKeeper::isGone() noexcept {
    char ignored = 0;
    ssize_t size = 0;
    do {
        size = recv(socket_.get(), &ignored, 1, MSG_DONTWAIT);
    } while (size > 0);
    return size == 0 || errno != EAGAIN;
}

void AppKeeper::finish() {
    beginFinish();
    while (!isGone()) {
        pollUntil(socket_.get(), POLLIN, deadlineIn(24h));
    }
}

}  // namespace Passenger::Bridge
