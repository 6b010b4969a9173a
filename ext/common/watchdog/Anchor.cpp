#include "watchdog/Anchor.h"

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
#include <exception>
#include <utility>

#include "base/DescriptorSender.h"
#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/Poll.h"
#include "base/ProcessTree.h"
#include "base/SignalDescriptor.h"
#include "base/StandardDescriptors.h"
#include "base/SystemClock.h"
#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr int WATCHDOG_DESCRIPTOR = 3;
/** A watchdog that receives nothing for so long has failed. */
constexpr milliseconds SEND_TIMEOUT{10000};
/** The time for SIGKILL to take effect. */
constexpr milliseconds KILL_PATIENCE{10000};
/** As long as an owner that lives waits for the end (AgentControl), without
 *  AgentSettings::stopTimeout. */
constexpr milliseconds WATCHDOG_PATIENCE{25000};

}  // namespace

Anchor::Anchor(FileDescriptor control, std::function<std::string()> program)
    : control_(std::move(control)), program_(std::move(program)), clock_(SystemClock::instance()) {}

Anchor::~Anchor() = default;

int Anchor::run() {
    signals_ = makeSignalDescriptor({SIGCHLD});
    throwUnless(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl(PR_SET_CHILD_SUBREAPER)");
    watchOwner();
    start();
    while (!ended_) {
        turn();
    }
    end();
    return exitStatus_;
}

/**
 * Opens a pidfd of the owner. The owner may have ended and its pid may belong to another process:
 * the owner is alive only if it is still this process's parent.
 */
void Anchor::watchOwner() {
    const auto owner = peerOf(control_);
    throwUnless(owner, "getsockopt(SO_PEERCRED)");
    ownerPidFd_ = openPidFd(owner->pid);
    if (::getppid() != owner->pid) {
        throw IOException("the owner ended before it was watched");
    }
}

void Anchor::turn() {
    std::array<pollfd, 3> entries{{
        {ending_ ? -1 : ownerPidFd_.get(), POLLIN, 0},
        {signals_.get(), POLLIN, 0},
        {socket_.descriptor().get(), POLLIN, 0},
    }};
    if (::poll(entries.data(), entries.size(), pollTimeout()) < 0) {
        throwUnless(errno == EINTR, "poll");
        return;
    }
    // Before the signals: a process's frames precede its death.
    if (entries[2].revents != 0) {
        receive();
    }
    if (entries[0].revents != 0) {
        endWatchdog();
    }
    if (entries[1].revents != 0) {
        readSignals();
    }
    startIfDue();
    abandonIfLate();
}

int Anchor::pollTimeout() const {
    const MonotonicTime now = clock_.now();
    const auto wait = endBy_ ? std::optional(timeUntil(*endBy_, now)) : restart_.wait(now);
    return wait ? static_cast<int>(std::min<milliseconds::rep>(wait->count(), INT_MAX)) : -1;
}

/** @throws SystemException */
void Anchor::start() {
    restart_.started(clock_.now());
    DescriptorPair pair = makeStreamPair();
    ChildProcess::Command command;
    command.program = program_();
    command.arguments = {"watchdog"};
    command.descriptors = {{pair.second.get(), WATCHDOG_DESCRIPTOR}};
    watchdog_ = ChildProcess(command);
    pair.second.reset();
    socket_ =
        FrameSocket(FileDescriptor::foreign(pair.first.release(), newDescriptorSender()), Frame::MAX_SETTINGS_SIZE);
    try {
        for (const StoreEntry &entry : store_.entries()) {
            socket_.send(Frame(FrameType::RESTORE, {entry.key, entry.note}), numbersOf(entry.descriptors),
                         FrameSocket::in(SEND_TIMEOUT));
        }
        std::vector<int> attached{control_.get()};
        if (serverSocket_) {
            attached.insert(attached.end(), {STDERR_FILENO, serverSocket_->get()});
        }
        socket_.send(Frame(FrameType::BEGIN, settings_), attached, FrameSocket::in(SEND_TIMEOUT));
    } catch (const std::exception &exception) {
        // Its end, which causes the next start, follows.
        Log::error("event=watchdog.unreachable pid={} reason=\"{}\"", watchdog_.pid(), exception.what());
        watchdog_.signal(SIGKILL);
    }
}

void Anchor::startIfDue() {
    if (!restart_.takeDue(clock_.now())) {
        return;
    }
    try {
        start();
    } catch (const SystemException &exception) {
        Log::error("event=watchdog.start_failed reason=\"{}\"", exception.what());
        watchdog_ = ChildProcess();
        socket_ = FrameSocket();
        restart_.ended(clock_.now());
    }
}

void Anchor::receive() {
    try {
        while (auto frame = socket_.tryReceive()) {
            handle(std::move(*frame));
        }
        return;
    } catch (const EndOfFileException &) {
        // Its end follows.
    } catch (const std::exception &exception) {
        Log::error("event=watchdog.protocol_error pid={} reason=\"{}\"", watchdog_.pid(), exception.what());
        watchdog_.signal(SIGKILL);
    }
    socket_ = FrameSocket();
}

void Anchor::handle(Frame frame) {
    switch (frame.type) {
        case FrameType::STORE: {
            if (holdsTooMany(socket_.descriptor().sender())) {
                // The pool process has sent them, and is killed with the watchdog.
                throw ProtocolException("too many descriptors that it has sent wait to be closed");
            }
            store_.put({frame.field(0), frame.field(1), std::move(frame.descriptors)});
            return;
        }
        case FrameType::REMOVE: store_.remove(frame.field(0)); return;
        case FrameType::AGENT_START:
            useSettings(frame);
            serverSocket_ = frame.takeDescriptor(1);
            return;
        case FrameType::SETTINGS: useSettings(frame); return;
        case FrameType::STOPPING:
            // Users of the agent and instances have to notice that the watchdog closes its copies.
            ending_ = true;
            limitEnd();
            serverSocket_.reset();
            store_.clear();
            control_.reset();
            return;
        default: throw ProtocolException("frame of type " + std::to_string(static_cast<int>(frame.type)));
    }
}

void Anchor::useSettings(Frame &frame) {
    useAsOutput(frame.takeDescriptor(0));
    const auto settings = AgentSettings::fromMap(frame.map(0));
    Log::setFormat(logFormatIn(settings.logFormat));
    Log::setTarget(settings.logTarget());
    stopTimeout_ = settings.stopTimeout;
    settings_ = std::move(frame.fields);
}

void Anchor::endWatchdog() {
    ending_ = true;
    restart_.cancel();
    try {
        if (socket_) {
            socket_.send(Frame(FrameType::STOP, {"the owner ended"}), FrameSocket::in(SEND_TIMEOUT));
            limitEnd();
            return;
        }
    } catch (const std::exception &exception) {
        Log::error("event=watchdog.unreachable pid={} reason=\"{}\"", watchdog_.pid(), exception.what());
    }
    abandonWatchdog();
}

void Anchor::limitEnd() {
    endBy_ = clock_.now() + WATCHDOG_PATIENCE + stopTimeout_;
}

/** Without a watchdog, all other processes are killed. */
void Anchor::abandonWatchdog() {
    watchdog_.killWithin(KILL_PATIENCE);
    ended_ = true;
    exitStatus_ = EXIT_FAILURE;
}

/** Nobody else looks after a watchdog that stands still, if the owner has died. */
void Anchor::abandonIfLate() {
    if (!ended_ && endBy_ && clock_.now() >= *endBy_) {
        Log::error("event=watchdog.killed pid={} reason=\"it was told to end, and has not ended in time\"",
                   watchdog_.pid());
        abandonWatchdog();
    }
}

void Anchor::readSignals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    }
    for (;;) {
        siginfo_t child{};
        // WNOWAIT does not reap: watchdog_ reaps its own process.
        if (::waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) != 0 || child.si_pid == 0) {
            return;
        }
        if (child.si_pid != watchdog_.pid()) {
            ::waitpid(child.si_pid, nullptr, WNOHANG);
        } else if (const auto status = watchdog_.wait(milliseconds(0))) {
            watchdogEnded(*status);
        }
    }
}

void Anchor::watchdogEnded(int status) {
    // What it has stored last may still be in the socket.
    if (socket_) {
        receive();
    }
    socket_ = FrameSocket();
    if (ending_ || !serverSocket_) {
        ended_ = true;
        exitStatus_ = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
        return;
    }
    Log::error("event=watchdog.exited how=\"{}\" restart_in_ms={}", describeWaitStatus(status),
               restart_.ended(clock_.now()).count());
}

void Anchor::end() {
    serverSocket_.reset();
    store_.clear();
    if (!killDescendants(KILL_PATIENCE)) {
        Log::error("event=agent.stopped left_behind={}", childrenOf(::getpid()).size());
    }
}

}  // namespace Passenger
