#include "watchdog/Watchdog.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/Clock.h"
#include "base/DynamicUser.h"
#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/ProcessTree.h"
#include "base/SignalDescriptor.h"
#include "base/StandardDescriptors.h"
#include "base/SystemClock.h"
#include "io/AgentFailure.h"
#include "io/AgentSettings.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** The time for the pool process to end its instances in order. */
constexpr milliseconds POOL_PATIENCE{10000};
/** The time for SIGKILL to take effect. */
constexpr milliseconds KILL_PATIENCE{10000};
constexpr milliseconds REPORT_TIMEOUT{10000};

/** The process that made the socket pair of which `socket` is one end. */
pid_t creatorOf(const FileDescriptor &socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        throw SystemException("getsockopt(SO_PEERCRED)", errno);
    }
    return credentials.pid;
}

/** @param frame the settings, with the log's descriptor */
void useLog(Frame &frame) {
    useAsOutput(frame.takeDescriptor(0));
    const auto settings = AgentSettings::fromMap(frame.map(0));
    Log::setFormat(logFormatIn(settings.logFormat));
    Log::setTarget(settings.logTarget());
}

}  // namespace

Watchdog::Watchdog(FileDescriptor control, std::function<std::string()> program)
    : control_(std::move(control)),
      program_(std::move(program)),
      pool_(program_, serverSocket_, SystemClock::instance(),
            {[this](const Frame &ready) { poolIsReady(ready); },
             [this](const Frame &failure) {
                 report(failure);
                 endReason_ = "the pool process did not start";
                 exitStatus_ = EXIT_FAILURE;
             }}) {}

Watchdog::~Watchdog() = default;

int Watchdog::run() {
    signals_ = makeSignalDescriptor({SIGCHLD, SIGTERM, SIGINT});
    adoptOrphans();
    watchOwner();
    while (endReason_.empty()) {
        turn();
    }
    end();
    return exitStatus_;
}

void Watchdog::adoptOrphans() {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        throw SystemException("prctl(PR_SET_CHILD_SUBREAPER)", errno);
    }
}

/**
 * Opens a pidfd of the owner. The owner may have ended and its pid may belong to another process:
 * the owner is alive only if it is still this process's parent.
 */
void Watchdog::watchOwner() {
    const pid_t owner = creatorOf(control_.descriptor());
    try {
        ownerPidFd_ = openPidFd(owner);
    } catch (const SystemException &exception) {
        if (exception.error() != ESRCH) {
            throw;
        }
    }
    if (::getppid() != owner) {
        endReason_ = "the owner ended before it was watched";
    }
}

void Watchdog::turn() {
    std::array<pollfd, 5> entries{{
        {control_.descriptor().get(), POLLIN, 0},
        {ownerPidFd_.get(), POLLIN, 0},
        {signals_.get(), POLLIN, 0},
        {pool_.descriptor(), POLLIN, 0},
        // Polled for a hang-up only: the pool process receives the data.
        {draining_ ? serverSocket_.get() : -1, 0, 0},
    }};
    if (::poll(entries.data(), entries.size(), pollTimeout()) < 0) {
        if (errno != EINTR) {
            throw SystemException("poll", errno);
        }
        return;
    }
    if (entries[1].revents != 0) {
        endReason_ = "the owner ended";
        return;
    }
    if (entries[4].revents != 0) {
        endReason_ = "the owner released the agent, and no process uses it";
        return;
    }
    // Before the signals: a process's frames precede its death.
    if (entries[3].revents != 0) {
        pool_.receive();
    }
    if (entries[2].revents != 0) {
        readSignals();
    }
    if (entries[0].revents != 0 && endReason_.empty()) {
        receiveFromOwner();
    }
    if (endReason_.empty()) {
        if (rights_ && rights_->upkeep()) {
            pool_.renewRights();
        }
        pool_.upkeep();
    }
}

int Watchdog::pollTimeout() const {
    auto wait = pool_.untilUpkeep();
    if (const auto other = rights_ ? rights_->untilUpkeep() : std::nullopt) {
        wait = std::min(wait.value_or(*other), *other);
    }
    return wait ? static_cast<int>(std::min<milliseconds::rep>(wait->count(), INT_MAX)) : -1;
}

void Watchdog::receiveFromOwner() {
    try {
        while (endReason_.empty()) {
            auto frame = control_.tryReceive();
            if (!frame) {
                return;
            }
            handle(std::move(*frame));
        }
    } catch (const EndOfFileException &) {
        ownerLetGo();
    } catch (const std::exception &exception) {
        endReason_ = std::string("the owner sent an invalid frame: ") + exception.what();
        exitStatus_ = EXIT_FAILURE;
    }
}

/**
 * The owner lives and has closed the control socket. Processes to which it gave the connectSocket
 * may still have requests here.
 */
void Watchdog::ownerLetGo() {
    control_ = FrameSocket();
    if (!startReported_) {
        endReason_ = "the owner closed its socket";
        return;
    }
    draining_ = true;
    Log::notice("event=agent.draining reason=\"the owner released the agent\"");
}

void Watchdog::handle(Frame frame) {
    switch (frame.type) {
        case FrameType::AGENT_START:
            startPool(std::move(frame));
            return;
        case FrameType::SETTINGS:
            useLog(frame);
            // First: the pool process may ask for what the new settings give.
            if (rights_) {
                rights_->setSettings(frame.fields);
            }
            pool_.setSettings(std::move(frame.fields));
            return;
        case FrameType::STOP:
            endReason_ = "the owner requested it";
            return;
        default:
            throw ProtocolException("frame of type " + std::to_string(static_cast<int>(frame.type)));
    }
}

void Watchdog::startPool(Frame start) {
    if (std::exchange(startAsked_, true)) {
        throw ProtocolException("a second START");
    }
    useLog(start);
    serverSocket_ = start.takeDescriptor(1);
    try {
        if (::geteuid() == 0) {
            startRights(start);
        }
        pool_.setSettings(std::move(start.fields));
        pool_.start();
    } catch (const std::exception &exception) {
        Log::error("event=pool.start_failed reason=\"{}\"", exception.what());
        report(describeFailure(exception));
        endReason_ = "the pool process did not start";
        exitStatus_ = EXIT_FAILURE;
    }
}

/** The pool process needs no right of root's then. @throws SystemException, IOException */
void Watchdog::startRights(const Frame &start) {
    const auto settings = AgentSettings::fromMap(start.map(0));
    rights_.emplace(program_, SystemClock::instance());
    rights_->setSettings(start.fields);
    rights_->start();
    pool_.useRights(
        {DynamicUser::choose(settings.agentUser), text(settings.seccomp), [this] { return rights_->connectPool(); }});
}

void Watchdog::poolIsReady(const Frame &ready) {
    if (std::exchange(startReported_, true)) {
        return;
    }
    Frame started(FrameType::AGENT_STARTED);
    started.add(static_cast<std::uint64_t>(::getpid()));
    for (std::size_t i = 0; i < 3; ++i) {
        started.add(ready.field(i));
    }
    report(started);
}

void Watchdog::report(const Frame &frame) {
    try {
        control_.send(frame, FrameSocket::in(REPORT_TIMEOUT));
    } catch (const std::exception &exception) {
        endReason_ = std::string("the owner cannot be reached: ") + exception.what();
    }
}

void Watchdog::readSignals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGCHLD) {
            endReason_ = "signal " + std::to_string(info.ssi_signo);
        }
    }
    reapChildren();
}

void Watchdog::reapChildren() {
    for (;;) {
        siginfo_t info{};
        // WNOWAIT does not reap: the pool process's owner reaps it, so that no object keeps a
        // reused pid.
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
            return;
        }
        if (pool_.reap(info.si_pid) || (rights_ && rights_->reap(info.si_pid))) {
            continue;
        }
        int status = 0;
        if (::waitpid(info.si_pid, &status, WNOHANG) == info.si_pid) {
            Log::info("event=orphan.exited pid={} how=\"{}\"", info.si_pid, describeWaitStatus(status));
        }
    }
}

void Watchdog::end() {
    Log::notice("event=agent.stopping reason=\"{}\"", endReason_);
    pool_.stop(POOL_PATIENCE);
    if (rights_) {
        rights_->stop();
    }
    serverSocket_.reset();
    if (!killDescendants(KILL_PATIENCE)) {
        Log::error("event=agent.stopped left_behind={}", childrenOf(::getpid()).size());
    }
    Log::notice("event=agent.stopped");
}

}  // namespace Passenger
