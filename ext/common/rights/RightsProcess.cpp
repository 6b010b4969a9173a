#include "rights/RightsProcess.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/Lists.h"
#include "base/ProcessTree.h"
#include "base/SignalDescriptor.h"
#include "base/Split.h"
#include "base/StandardDescriptors.h"
#include "io/AgentFailure.h"
#include "log/Log.h"
#include "rights/RightsMessages.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

/** A pool process has about ten threads that ask. More connections belong to a pool process that
 *  was taken over, or to requests that wait for file systems. */
constexpr std::size_t MOST_CHILDREN = 128;
/** Processes that were killed and do not end. Each costs the machine a process. */
constexpr std::size_t MOST_LEFT = 1024;
/** The limit of one turn, so that the watchdog is served, too. */
constexpr int FRAMES_A_TURN = 256;
constexpr std::chrono::seconds SEND_LIMIT{5};
/** The watchdog waits a little longer. */
constexpr std::chrono::milliseconds END_LIMIT{5000};

void change(int how, const std::vector<int> &signals) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : signals) {
        ::sigaddset(&set, signal);
    }
    ::sigprocmask(how, &set, nullptr);
}

/** Whether a child of this process has got a signal that ends it. The kernel tells it so until the
 *  process has ended. */
bool isKilled(pid_t child) {
    const std::string pending = afterLabel(fileContent(fmt::format("/proc/{}/status", child)), "SigPnd:");
    return (std::strtoull(pending.c_str(), nullptr, 16) & (1U << (SIGKILL - 1))) != 0;
}

}  // namespace

RightsProcess::RightsProcess(FileDescriptor watchdog, pid_t agent)
    : watchdog_(std::move(watchdog), Frame::MAX_SETTINGS_SIZE), agent_(agent), server_(own_, agent) {}

int RightsProcess::run() {
    signals_ = makeSignalDescriptor({SIGCHLD, SIGTERM, SIGINT});
    while (!ending_) {
        std::array<pollfd, 3> entries{{{watchdog_.descriptor().get(), POLLIN, 0},
                                       {signals_.get(), POLLIN, 0},
                                       {pool_.descriptor().get(), POLLIN, 0}}};
        if (::poll(entries.data(), entries.size(), pollTimeout()) < 0) {
            throwUnless(errno == EINTR, "poll");
            continue;
        }
        if (entries[1].revents != 0) {
            readSignals();
        }
        if (entries[0].revents != 0) {
            receiveFromWatchdog();
        }
        if (entries[2].revents != 0) {
            receiveFromPool();
        }
        if (Cgroups *const groups = own_.groups(); groups != nullptr) {
            groups->tidy(std::chrono::steady_clock::now());
        }
    }
    endChildren();
    if (Cgroups *const groups = own_.groups(); groups != nullptr && stopped_) {
        groups->endAll(FrameSocket::in(END_LIMIT));
    }
    return EXIT_SUCCESS;
}

int RightsProcess::pollTimeout() {
    const Cgroups *const groups = own_.groups();
    const auto wait = groups != nullptr ? groups->untilTidy() : std::nullopt;
    return wait ? static_cast<int>(wait->count()) : -1;
}

void RightsProcess::receiveFromWatchdog() {
    try {
        while (auto frame = watchdog_.tryReceive()) {
            if (frame->type == FrameType::SETTINGS) {
                useAsOutput(frame->takeDescriptor(0));
                auto settings = AgentSettings::fromMap(frame->map(0));
                Log::setLevel(static_cast<LogLevel>(settings.logLevel));
                Log::setFormat(logFormatIn(settings.logFormat));
                Log::setTarget(settings.logTarget());
                server_.configure(std::move(settings));
                endChildren();
                if (!std::exchange(configured_, true)) {
                    own_.useGroups(agent_);
                }
                watchdog_.send(Frame(FrameType::RIGHTS_DONE), FrameSocket::in(SEND_LIMIT));
            } else if (frame->type == FrameType::RIGHTS_SOCKET) {
                pool_ = FrameSocket(frame->takeDescriptor(0));
                // A watchdog of an earlier version, which runs until the reload, tells no pid, or
                // nothing.
                if (!frame->fields.empty()) {
                    server_.usePool(static_cast<uid_t>(frame->number(0)),
                                    frame->fields.size() > 1 ? static_cast<pid_t>(frame->number(1)) : 0);
                }
                endChildren();
            } else if (frame->type == FrameType::STOP) {
                stopped_ = true;
                ending_ = true;
            }
        }
    } catch (const EndOfFileException &) {
        ending_ = true;
    } catch (const std::exception &error) {
        Log::error("event=rights.stopping reason=\"{}\"", error.what());
        ending_ = true;
    }
}

/** A frame that is not here ends the pool process's connections. */
const std::vector<RightsProcess::Order> &RightsProcess::orders() {
    static const std::vector<Order> all{
        {FrameType::RIGHTS_CONNECT, [](auto &process, auto &frame) { process.connect(frame.takeDescriptor(0)); }},
        {FrameType::RIGHTS_SIGNAL, [](auto &process, auto &frame) { process.signal(frame); }},
        {FrameType::RIGHTS_ROOM,
         [](auto &process, auto &frame) {
             const FileDescriptor socket = frame.takeDescriptor(0);
             process.server_.giveRoom(socket, frame.number(0));
         }},
        {FrameType::RIGHTS_END_GROUP, [](auto &process, auto &frame) { process.server_.endGroups(frame); }},
    };
    return all;
}

std::vector<FrameType> RightsProcess::orderTypes() {
    return listOf(orders(), &Order::type);
}

void RightsProcess::signal(Frame &frame) {
    const FileDescriptor pidFd = frame.takeDescriptor(0);
    const std::string refusal = server_.signal(pidFd, static_cast<int>(frame.number(0)));
    // After the anchor's death no process descends from it, and the watchdog ends all.
    if (!refusal.empty() && parentOf(::getppid()) == agent_) {
        Log::error("event=rights.refused verb=\"signal\" reason=\"{}\"", refusal);
    }
}

void RightsProcess::receiveFromPool() {
    try {
        for (int i = 0; i < FRAMES_A_TURN; ++i) {
            auto frame = pool_.tryReceive();
            if (!frame) {
                return;
            }
            const auto order = std::find_if(orders().begin(), orders().end(),
                                            [&](const Order &one) { return one.type == frame->type; });
            if (order == orders().end()) {
                throw ProtocolException("the pool process sent a frame of type " +
                                        std::to_string(static_cast<int>(frame->type)));
            }
            order->carryOut(*this, *frame);
        }
    } catch (const EndOfFileException &) {
        pool_ = FrameSocket();
        endChildren();
    } catch (const SystemException &error) {
        Log::error("event=rights.failed error=\"{}\"", error.what());
    } catch (const std::exception &error) {
        Log::error("event=rights.disconnected reason=\"{}\"", error.what());
        pool_ = FrameSocket();
        endChildren();
    }
}

void RightsProcess::connect(FileDescriptor connection) {
    if (children_.size() - left_.size() >= MOST_CHILDREN) {
        leaveKilledBehind();
    }
    if (children_.size() - left_.size() >= MOST_CHILDREN || left_.size() >= MOST_LEFT) {
        if (failures_.allows(std::chrono::steady_clock::now())) {
            Log::error("event=rights.busy connections={} left_behind={}", children_.size(), left_.size());
        }
        refuse(std::move(connection), IOException("the rights process serves as many connections as it may"));
        return;
    }
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) {
        const SystemException failure("the rights process cannot make a process", errno);
        if (failures_.allows(std::chrono::steady_clock::now())) {
            Log::error("event=rights.failed error=\"{}\" note=\"see TasksMax= of httpd's unit, or pids.max\"",
                       failure.what());
        }
        refuse(std::move(connection), failure);
        return;
    }
    if (child > 0) {
        children_.insert(child);
        return;
    }
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) {
        ::_exit(EXIT_FAILURE);
    }
    serve(std::move(connection));
}

/** The pool process does not ask again. */
void RightsProcess::refuse(FileDescriptor connection, const std::exception &reason) {
    try {
        FrameSocket(std::move(connection)).send(describeFailure(reason), FrameSocket::in(0ms));
    } catch (const std::exception &error) {
        Log::info("event=rights.disconnected reason=\"{}\"", error.what());
    }
}

/**
 * A process that waits for a lock in the kernel does not end by a signal. A file system that does
 * not answer may have the lock, and so may another process: some system calls hold the lock of a
 * folder or of a file while they wait for a page of memory.
 */
void RightsProcess::leaveKilledBehind() {
    const std::size_t before = left_.size();
    std::copy_if(children_.begin(), children_.end(), std::inserter(left_, left_.end()), isKilled);
    if (left_.size() > before && failures_.allows(std::chrono::steady_clock::now())) {
        Log::warn("event=rights.helpers_left processes={} note=\"they do not end although they are killed\"",
                  left_.size());
    }
}

/** Runs in the child. A signal that ends it comes between two requests, except SIGALRM. */
void RightsProcess::serve(FileDescriptor connection) {
    watchdog_ = FrameSocket();
    pool_ = FrameSocket();
    signals_.reset();
    for (const int signal : {SIGTERM, SIGINT, SIGALRM}) {
        ::signal(signal, SIG_DFL);
    }
    // The kernel reaps the processes that are started here.
    ::signal(SIGCHLD, SIG_IGN);
    change(SIG_UNBLOCK, {SIGCHLD, SIGALRM, SIGTERM, SIGINT});
    FrameSocket socket(std::move(connection));
    try {
        for (;;) {
            Frame request = socket.receive(FrameSocket::Deadline::max());
            change(SIG_BLOCK, {SIGTERM, SIGINT});
            ::alarm(RIGHTS_REQUEST_SECONDS);
            const Frame answer = server_.answer(std::move(request));
            ::alarm(0);
            socket.send(answer, numbersOf(answer.descriptors), FrameSocket::in(SEND_LIMIT));
            change(SIG_UNBLOCK, {SIGTERM, SIGINT});
        }
    } catch (const EndOfFileException &) {
        ::_exit(EXIT_SUCCESS);
    } catch (const std::exception &error) {
        Log::error("event=rights.connection_failed error=\"{}\"", error.what());
    }
    ::_exit(EXIT_FAILURE);
}

void RightsProcess::endChildren() {
    for (const pid_t child : children_) {
        ::kill(child, SIGTERM);
    }
}

void RightsProcess::readSignals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        // SIGTERM and SIGINT are for this process's children: the watchdog ends it.
    }
    int status = 0;
    for (pid_t child = 0; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        children_.erase(child);
        left_.erase(child);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
            Log::warn("event=rights.gave_up seconds={} note=\"a request waited for a file system or a process\"",
                      RIGHTS_REQUEST_SECONDS);
        }
    }
}

}  // namespace Passenger
