#include "spawning/SpawnServer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <optional>
#include <string_view>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/Split.h"
#include "base/SystemClock.h"
#include "base/SystemUserDatabase.h"
#include "base/UserDatabase.h"
#include "io/SocketPair.h"
#include "log/Log.h"
#include "rights/Rights.h"
#include "spawning/ProcessEnds.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

constexpr const char *PROTOCOL_VERSION = "1";
/** The time for its end after its control socket was closed. */
constexpr auto END_LIMIT = 1000ms;
/** The begin of the line in which run-as tells its failure. */
constexpr std::string_view PROBLEM = "passenger-agent: ";

const char *nameOf(StartRequest::Role role) {
    switch (role) {
        case StartRequest::Role::PRELOADER: return "preloader";
        case StartRequest::Role::INSTANCE: return "instance";
        case StartRequest::Role::PYTHON_PRELOADER: return "python_preloader";
        case StartRequest::Role::PYTHON_INSTANCE: return "python_instance";
        case StartRequest::Role::BRIDGE: return "bridge";
    }
    return "";
}

Frame makeStartFrame(const StartRequest &request) {
    Frame frame(FrameType::SPAWN_START, {nameOf(request.role), request.program, request.loginShell ? "1" : "0"});
    frame.add(request.environment);
    try {
        static_cast<void>(frame.encode());
    } catch (const ProtocolException &e) {
        // The error is found before anything was sent, so the spawn server stays usable.
        throw SpawnException(std::string("the process environment is too large: ") + e.what());
    }
    return frame;
}

struct StartEnds {
    ProcessEnds process;
    DescriptorPair boot;
    DescriptorPair gate;
};

/** Nothing was sent, so the spawn server stays usable. */
[[noreturn]] void throwShortage(const SystemException &error) {
    throw SpawnException(std::string("the agent is short of descriptors: ") + error.what());
}

StartEnds makeEnds() {
    try {
        return {ProcessEnds::make(), makeStreamPair(), makeStreamPair()};
    } catch (const SystemException &error) {
        throwShortage(error);
    }
}

/** The failure of run-as in the output of a process, or nothing. */
std::string reasonIn(const std::string &output) {
    for (const std::string &line : split(output, '\n')) {
        if (line.starts_with(PROBLEM)) {
            return line.substr(PROBLEM.size());
        }
    }
    return "";
}

/** Pairs of names and milliseconds, from field `first` on. */
std::vector<SpawnServerStep> stepsIn(const Frame &answer, std::size_t first) {
    std::vector<SpawnServerStep> steps;
    for (std::size_t i = first; i + 1 < answer.fields.size(); i += 2) {
        steps.push_back({answer.field(i), std::chrono::milliseconds(answer.number(i + 1))});
    }
    return steps;
}

[[noreturn]] void throwNotStarted(const std::string &why, const std::string &output) {
    const std::string summary = "the spawn server could not be started: " + why;
    throw SpawnException(summary, summary + output);
}

}  // namespace

SpawnServer::SpawnServer(EventLoop &loop, const SpawnSettings &settings, const Identity &identity,
                         std::shared_ptr<std::atomic<pid_t>> pid, Deadline deadline)
    : loop_(loop), publishedPid_(std::move(pid)) {
    launch(settings, identity);
    receiveHello(identity.user, deadline);
    Log::info("event=spawn_server.started pid={} uid={}", process_.pid(), uid_);
    publishedPid_->store(process_.pid());
    watchEnd();
}

SpawnServer::~SpawnServer() {
    // On the loop, because the callback uses endWatcher_.
    loop_.runSync([this] { endWatcher_.reset(); });
    const pid_t pid = process_.pid();
    pid_t own = pid;
    publishedPid_->compare_exchange_strong(own, 0);
    control_.shutDown();
    control_ = FrameSocket();
    try {
        const auto status = process_.wait(END_LIMIT);
        Log::info("event=spawn_server.ended pid={} status=\"{}\"", pid,
                  status ? describeWaitStatus(*status) : "killed by the agent");
    } catch (const std::exception &e) {
        Log::warn("event=spawn_server.ended error=\"{}\"", e.what());
    }
}

void SpawnServer::launch(const SpawnSettings &settings, const Identity &identity) {
    auto ends = ProcessEnds::make();
    SpawnServerStart server;
    server.rubyCommand = settings.rubyCommand;
    server.spawnServerCommand = settings.spawnServerCommand;
    server.agentProgram = settings.agentProgram;
    server.user = identity.user;
    server.group = identity.group;
    server.userOptions = identity.userOptions;
    server.control = ends.theirControl.get();
    server.output = ends.theirOutput.get();
    try {
        process_ = Rights::ofThisProcess().start(server);
    } catch (const TimeoutException &) {
        throw;
    } catch (const IOException &error) {
        // The rights process refuses the user.
        throwNotStarted(error.what(), "");
    } catch (const SystemException &error) {
        throwNotStarted(error.what(), "");
    }
    control_ = std::move(ends.control);
    followOutput(std::move(ends.output), identity.user);
    output_->setPid(process_.pid());
}

/** The user may write into the output: the server runs as that user. */
void SpawnServer::followOutput(FileDescriptor pipe, const std::string &user) {
    const auto entry = user.empty() ? std::nullopt : SystemUserDatabase().userNamed(user);
    const uid_t uid = entry ? entry->uid : ::geteuid();
    auto limit = std::make_shared<OutputLimit>(loop_, SystemClock::instance(),
                                               "spawn server of " + (user.empty() ? std::to_string(uid) : user));
    limit->set(Options().maxLogLines);
    output_ = std::make_shared<ProcessOutput>(
        loop_, std::move(pipe), uid,
        [](pid_t pid, const std::string &line) {
            Log::notice("event=spawn_server.output pid={} line=\"{}\"", pid, line);
        },
        std::move(limit));
}

void SpawnServer::receiveHello(const std::string &user, Deadline deadline) {
    try {
        const Frame hello = control_.receive(deadline);
        if (hello.type != FrameType::SPAWN_HELLO || hello.field(0) != PROTOCOL_VERSION) {
            failToStart("its protocol differs from the agent's: install both from one version");
        }
        if (hello.sender.pid != process_.pid()) {
            failToStart("another process answers on its control socket");
        }
        uid_ = hello.sender.uid;
        if (!user.empty()) {
            const auto entry = SystemUserDatabase().userNamed(user);
            if (!entry || entry->uid != uid_) {
                failToStart("it does not run as user \"" + user + "\"");
            }
        }
    } catch (const TimeoutException &) {
        failToStart("it sent no HELLO in time");
    } catch (const IOException &e) {
        const auto status = process_.wait(END_LIMIT);
        const std::string reason = reasonIn(output_->lastLines());
        failToStart(!reason.empty() ? reason : status ? "it " + describeEnd(*status) : e.what());
    }
}

void SpawnServer::failToStart(const std::string &why) {
    throwNotStarted(why, "\n\nIts output:\n" + output_->lastLines());
}

void SpawnServer::watchEnd() {
    const pid_t pid = process_.pid();
    endWatcher_ = std::make_unique<DescriptorWatcher>(loop_, process_.pidFd().get(), 0, [this, pid](int) {
        endWatcher_->setEvents(0);
        pid_t own = pid;
        publishedPid_->compare_exchange_strong(own, 0);
        if (endedIdle()) {
            Log::info("event=spawn_server.idle pid={} note=\"it had no process, and has ended\"", pid);
        } else {
            Log::warn("event=spawn_server.died pid={} note=\"the next start of an application starts another one\"",
                      pid);
        }
    });
    endWatcher_->setEvents(DescriptorWatcher::READABLE);
}

/**
 * Looks into the socket without a change to it: another thread may receive. The server has ended,
 * so nothing follows.
 */
bool SpawnServer::endedIdle() const {
    std::array<unsigned char, Frame::HEADER_SIZE> header{};
    constexpr std::size_t TYPE = 4;
    constexpr unsigned BYTE = 8;
    return idle_ || (::recv(control_.descriptor().get(), header.data(), header.size(), MSG_PEEK | MSG_DONTWAIT) ==
                         static_cast<ssize_t>(header.size()) &&
                     (header[TYPE] | header[TYPE + 1] << BYTE) == static_cast<int>(FrameType::SPAWN_IDLE));
}

bool SpawnServer::alive() const {
    return !waitPidFd(process_.pidFd(), 0ms);
}

/** Without FORKED there is no process: the spawn server says why. */
void SpawnServer::answerForked(const StartRequest &request, FrameSocket gate, Deadline deadline) {
    gate.refuseDescriptors();
    try {
        const Frame forked = gate.receive(deadline);
        if (forked.type != FrameType::SPAWN_FORKED || forked.sender.uid != uid_) {
            throw ProtocolException("the spawn server's process sent an unexpected frame");
        }
        gate.send(Frame::of(FrameType::SPAWN_GO, request.forked(forked.sender.pid)), deadline);
    } catch (const EndOfFileException &) {
    }
}

StartedProcess SpawnServer::start(const StartRequest &request, Deadline deadline) {
    const Frame frame = makeStartFrame(request);
    auto [ends, boot, gate] = makeEnds();
    auto theirs = ends.theirs();
    theirs.push_back(boot.second.get());
    if (request.forked) {
        enablePeerCredentials(gate.first);
        denyDescriptors(gate.first);
        theirs.push_back(gate.second.get());
    }
    try {
        control_.send(frame, theirs, deadline);
    } catch (const SystemException &error) {
        if (error.error() == ETOOMANYREFS) {
            throwShortage(error);
        }
        throw;
    }
    ends.closeTheirs();
    boot.second.reset();
    gate.second.reset();
    if (request.forked) {
        answerForked(request, FrameSocket(FileDescriptor::foreign(gate.first.release())), deadline);
    }

    const Frame answer = control_.receive(deadline);
    switch (answer.type) {
        case FrameType::SPAWN_STARTED:
            return {static_cast<pid_t>(answer.number(0)),
                    static_cast<pid_t>(answer.number(1)),
                    answer.number(2) != 0,
                    uid_,
                    std::move(ends.control),
                    std::move(ends.output),
                    std::move(ends.waitStatus),
                    BootGuard(std::move(boot.first)),
                    stepsIn(answer, 3)};
        case FrameType::SPAWN_FAILED: throw StartRefused(answer.field(1), answer.field(0), stepsIn(answer, 2));
        case FrameType::SPAWN_IDLE: idle_ = true; throw EndOfFileException("the spawn server has ended");
        default: throw ProtocolException("the spawn server sent an unexpected frame");
    }
}

}  // namespace Passenger
