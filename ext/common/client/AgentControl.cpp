#include "client/AgentControl.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/Poll.h"
#include "io/AgentFailure.h"
#include "io/Frame.h"
#include "io/SocketPair.h"
#include "shm/SharedMemory.h"

namespace Passenger {

namespace {

using std::chrono::seconds;

constexpr seconds START_TIMEOUT{60};
/** Added to AgentSettings::stopTimeout. Longer than the watchdog needs at most to kill all
 *  processes. */
constexpr seconds STOP_TIMEOUT{25};
constexpr seconds SEND_TIMEOUT{15};
/** httpd accepts no connection meanwhile. */
constexpr seconds UPDATE_TIMEOUT{2};
constexpr seconds REAP_TIMEOUT{5};
constexpr int CONTROL_DESCRIPTOR = 3;

/** Uses a handle's control socket without owning it. After its first answer the watchdog sends only
 *  SETTINGS_DONE, so at most one of these is lost with this object. */
class BorrowedControl {
public:
    explicit BorrowedControl(int fd) : socket_(FileDescriptor(fd)) {}
    ~BorrowedControl() { static_cast<void>(socket_.release().release()); }
    BorrowedControl(const BorrowedControl &) = delete;
    BorrowedControl &operator=(const BorrowedControl &) = delete;
    FrameSocket *operator->() noexcept { return &socket_; }

private:
    FrameSocket socket_;
};

FileDescriptor openLog(const AgentSettings &settings) {
    if (settings.logsToFile()) {
        return settings.openLogFile();
    }
    const int other = settings.logDescriptor >= 0 ? settings.logDescriptor : STDERR_FILENO;
    FileDescriptor log(::fcntl(other, F_DUPFD_CLOEXEC, CONTROL_DESCRIPTOR));
    if (!log) {
        throw IOException("Descriptor " + std::to_string(other) +
                          " cannot be used as the log: " + std::strerror(errno));
    }
    return log;
}

ChildProcess startAnchor(const AgentSettings &settings, const FileDescriptor &control, const FileDescriptor &log) {
    ChildProcess::Command command;
    command.program = settings.agentProgram();
    command.arguments = {"anchor"};
    // The agent must inherit no other descriptor, above all no listening socket of httpd.
    command.descriptors = {{control.get(), CONTROL_DESCRIPTOR}, {log.get(), STDOUT_FILENO}, {log.get(), STDERR_FILENO}};
    command.newSession = true;
    return ChildProcess(command);
}

Frame settingsFrame(FrameType type, const AgentSettings &settings) {
    Frame frame(type);
    frame.add(settings.toMap());
    return frame;
}

Frame receiveAnswer(FrameSocket &control, ChildProcess &anchor) {
    try {
        return control.receive(FrameSocket::in(START_TIMEOUT));
    } catch (const EndOfFileException &) {
        const auto status = anchor.wait(REAP_TIMEOUT);
        throw IOException("The agent " + (status ? describeEnd(*status) : "closed its socket") +
                          " before it was ready; its log may have the reason");
    } catch (const TimeoutException &) {
        throw TimeoutException("The agent was not ready after " + std::to_string(START_TIMEOUT.count()) + " seconds");
    }
}

/** After a failure the watchdog ends everything and itself. If it does not, it is killed. */
void awaitEnd(FrameSocket &control, ChildProcess &anchor, seconds stopTimeout) {
    if (pollUntil(control.descriptor().get(), POLLIN, deadlineIn(STOP_TIMEOUT + stopTimeout))) {
        anchor.wait(REAP_TIMEOUT);
    }
}

/** A pidfd of the running anchor; none: the anchor has ended. */
FileDescriptor pidFdOf(const AgentHandle &handle) {
    if (!agentAlive(handle)) {
        return FileDescriptor();
    }
    try {
        auto pidFd = openPidFd(handle.anchorPid);
        // The anchor lives after pidfd_open(), too, so the pid was its own.
        return agentAlive(handle) ? std::move(pidFd) : FileDescriptor();
    } catch (const SystemException &) {
        return FileDescriptor();
    }
}

void waitForEnd(const AgentHandle &handle, const FileDescriptor &pidFd) {
    BorrowedControl control(handle.controlSocket);
    try {
        control->send(Frame(FrameType::STOP), FrameSocket::in(SEND_TIMEOUT));
    } catch (const std::exception &) {
        // The watchdog is ending already, or is killed below.
    }
    if (!pollUntil(handle.controlSocket, POLLRDHUP, deadlineIn(STOP_TIMEOUT + handle.stopTimeout))) {
        signalPidFd(pidFd, SIGKILL);
    }
    if (!waitPidFd(pidFd, REAP_TIMEOUT)) {
        signalPidFd(pidFd, SIGKILL);
        waitPidFd(pidFd, REAP_TIMEOUT);
    }
}

void reap(pid_t anchor) noexcept {
    while (::waitpid(anchor, nullptr, WNOHANG) < 0 && errno == EINTR) {
    }
}

/** Whether nothing comes any more; also: it is no socket. */
bool hungUp(int socket) noexcept {
    pollfd entry{socket, POLLRDHUP, 0};
    while (::poll(&entry, 1, 0) < 0) {
        if (errno != EINTR) {
            return true;
        }
    }
    return entry.revents != 0;
}

void setAbsent(const AgentHandle &handle, bool absent) noexcept {
    const char value = absent ? 1 : 0;
    [[maybe_unused]] const ssize_t written = ::pwrite(handle.absence, &value, sizeof value, 0);
}

void closeIfOpen(int &fd) noexcept {
    const FileDescriptor closing(std::exchange(fd, -1));
}

void closeAll(AgentHandle &handle) noexcept {
    for (int *const fd :
         {&handle.serverSocket, &handle.controlSocket, &handle.connectSocket, &handle.absence, &handle.absenceView}) {
        closeIfOpen(*fd);
    }
}

}  // namespace

AgentHandle makeAgentHandle() {
    DescriptorPair pair = makeSeqPacketPair();
    const SharedMemory absence("passenger-absence", 1);
    FileDescriptor absenceView = absence.readOnlyDescriptor();
    AgentHandle handle;
    handle.absence = absence.descriptor().duplicate().release();
    handle.absenceView = absenceView.release();
    handle.serverSocket = pair.first.release();
    handle.connectSocket = pair.second.release();
    handle.ownerPid = ::getpid();
    return handle;
}

StartedAgent startAgent(const AgentSettings &settings) {
    AgentHandle handle = makeAgentHandle();
    try {
        return replaceAgent(handle, settings);
    } catch (...) {
        stopAgent(handle);
        throw;
    }
}

StartedAgent replaceAgent(AgentHandle &dead, const AgentSettings &settings) {
    closeIfOpen(dead.controlSocket);
    dead.anchorPid = 0;
    const FileDescriptor log = openLog(settings);
    DescriptorPair pair = makeStreamPair();
    ChildProcess anchor = startAnchor(settings, pair.second, log);
    pair.second.reset();
    FrameSocket control(std::move(pair.first));

    try {
        control.send(settingsFrame(FrameType::AGENT_START, settings), {log.get(), dead.serverSocket},
                     FrameSocket::in(SEND_TIMEOUT));
    } catch (const SystemException &exception) {
        if (exception.error() != EPIPE) {
            throw;
        }
        // The watchdog has ended already; receiveAnswer() finds out how.
    }
    Frame answer = receiveAnswer(control, anchor);
    if (answer.type == FrameType::AGENT_FAILED) {
        awaitEnd(control, anchor, settings.stopTimeout);
        throwFailure(answer);
    }
    answer.expect(FrameType::AGENT_STARTED, "The agent answered with an unexpected frame");

    StartedAgent started;
    started.poolPid = static_cast<pid_t>(answer.number(1));
    started.spawnServerPid = static_cast<pid_t>(answer.number(2));
    started.warning = answer.field(3);
    started.handle = std::exchange(dead, AgentHandle());
    started.handle.controlSocket = control.release().release();
    started.handle.anchorPid = anchor.release();
    started.handle.ownerPid = ::getpid();
    started.handle.stopTimeout = settings.stopTimeout;
    setAbsent(started.handle, false);
    return started;
}

void refuseAgentsUsers(AgentHandle &handle) noexcept {
    setAbsent(handle, true);
}

void stopAgent(AgentHandle &handle) noexcept {
    try {
        if (const auto pidFd = pidFdOf(handle)) {
            waitForEnd(handle, pidFd);
        }
    } catch (const std::exception &) {
        // The watchdog was killed, or ends with its last user.
    }
    if (handle.serverSocket >= 0) {
        // Other processes learn on their connectSocket that no agent will start.
        ::shutdown(handle.serverSocket, SHUT_RDWR);
    }
    closeAll(handle);
    if (handle.anchorPid > 0 && handle.ownerPid == ::getpid()) {
        reap(handle.anchorPid);
    }
    handle = AgentHandle();
}

void letGoOfAgent(AgentHandle &handle) noexcept {
    closeAll(handle);
    handle = AgentHandle();
}

void disownAgent(AgentHandle &handle) noexcept {
    closeIfOpen(handle.controlSocket);
    closeIfOpen(handle.serverSocket);
    closeIfOpen(handle.absence);
    handle.anchorPid = 0;
    handle.ownerPid = 0;
}

AgentUpdate updateAgent(AgentHandle &handle, const AgentSettings &settings) {
    const FileDescriptor log = openLog(settings);
    if (!agentAlive(handle)) {
        return AgentUpdate::FAILED;
    }
    AgentSettings numbered = settings;
    numbered.update = std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
    BorrowedControl control(handle.controlSocket);
    bool sent = false;
    try {
        control->send(settingsFrame(FrameType::SETTINGS, numbered), {log.get()}, FrameSocket::in(SEND_TIMEOUT));
        sent = true;
        handle.stopTimeout = settings.stopTimeout;
        // Earlier updates may be answered after their time.
        const auto deadline = FrameSocket::in(UPDATE_TIMEOUT);
        while (control->receive(deadline).field(0) != numbered.update) {
        }
        return AgentUpdate::IN_FORCE;
    } catch (const TimeoutException &) {
        return sent ? AgentUpdate::LATE : AgentUpdate::FAILED;
    } catch (const EndOfFileException &) {
        return AgentUpdate::FAILED;
    } catch (const SystemException &) {
        return AgentUpdate::FAILED;
    }
}

bool agentAlive(const AgentHandle &handle) noexcept {
    return handle.controlSocket >= 0 && !hungUp(handle.controlSocket);
}

bool agentCutOff(const AgentHandle &handle) noexcept {
    return hungUp(handle.connectSocket) || hungUp(handle.serverSocket);
}

}  // namespace Passenger
