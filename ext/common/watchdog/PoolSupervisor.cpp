#include "watchdog/PoolSupervisor.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>

#include "base/DescriptorSender.h"
#include "base/Exceptions.h"
#include "base/Poll.h"
#include "io/AgentSettings.h"
#include "io/SocketPair.h"
#include "log/Log.h"
#include "watchdog/ThreadReport.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr int POOL_DESCRIPTOR = 3;
/** A pool process that receives nothing for so long has failed. */
constexpr milliseconds SEND_TIMEOUT{10000};
/** The limit of one receive(), so that other descriptors are served too. */
constexpr int FRAMES_A_TURN = 256;
/** More than the buffers of a socket hold (net.core.wmem_default). */
constexpr int FRAMES_IN_A_SOCKET = 1024;

}  // namespace

PoolSupervisor::PoolSupervisor(std::function<std::string()> program, const FileDescriptor &serverSocket,
                               const Clock &clock, Events events)
    : program_(std::move(program)), serverSocket_(serverSocket), clock_(clock), events_(std::move(events)) {}

void PoolSupervisor::setSettings(std::vector<std::string> fields) {
    Frame frame(FrameType::SETTINGS, std::move(fields));
    try {
        const AgentSettings settings = AgentSettings::fromMap(frame.map(0));
        update_ = settings.update;
        answers_.setLimit(settings.agentTimeout);
        stopTimeout_ = settings.stopTimeout;
    } catch (const ProtocolException &exception) {
        // The pool process refuses them, too.
        Log::error("event=watchdog.settings_rejected reason=\"{}\"", exception.what());
    }
    settings_ = std::move(frame.fields);
    if (!socket_ || !send(Frame(FrameType::SETTINGS, settings_), {STDERR_FILENO})) {
        events_.settingsDone(update_);
    }
}

void PoolSupervisor::release() {
    released_ = true;
    if (socket_) {
        send(Frame(FrameType::FINISH), {});
    }
}

void PoolSupervisor::logReopened(const std::string &number, const std::string &error) {
    if (socket_) {
        send(Frame(FrameType::LOG_REOPENED, {number, error}), {STDERR_FILENO});
    }
}

void PoolSupervisor::start() {
    restart_.started(clock_.now());
    DescriptorPair pair = makeStreamPair();
    ChildProcess::Command command;
    command.program = program_();
    command.arguments = {"pool"};
    if (rights_) {
        command.arguments = {"pool", std::to_string(rights_->user.uid), std::to_string(rights_->user.gid),
                             rights_->seccomp};
    }
    command.descriptors = {{pair.second.get(), POOL_DESCRIPTOR}};
    // The starting thread is the watchdog's only one, so the signal comes at the watchdog's death.
    // Instances live on then, and the pool process of the next watchdog takes them over.
    command.parentDeathSignal = SIGKILL;
    process_ = ChildProcess(command);
    pair.second.reset();
    // What one process has sent, and whose close waits, delays no close of the next one's.
    socket_ = FrameSocket(FileDescriptor::foreign(pair.first.release(), newDescriptorSender()));
    ready_ = false;
    failure_.reset();
    answers_.starting(clock_.now());
    begin();
}

void PoolSupervisor::restore(StoreEntry entry) {
    store_.put(std::move(entry));
}

void PoolSupervisor::startAgain() {
    everReady_ = true;
    tryToStart();
}

void PoolSupervisor::renewRights() {
    if (rights_ && socket_) {
        const FileDescriptor socket = rights_->connect(process_.pid());
        send(Frame(FrameType::RIGHTS_SOCKET), {socket.get()});
    }
}

void PoolSupervisor::begin() {
    renewRights();
    for (const auto &entry : store_.entries()) {
        if (!send(Frame(FrameType::RESTORE, {entry.key, entry.note}), numbersOf(entry.descriptors))) {
            return;
        }
    }
    std::vector<std::string> settings = settings_;
    settings.insert(settings.end(), {AgentSettings::AGENT_KILLS, std::to_string(kills_)});
    if (send(Frame(FrameType::BEGIN, std::move(settings)), {STDERR_FILENO, serverSocket_.get()}) && released_) {
        send(Frame(FrameType::FINISH), {});
    }
}

/** @return false if the process does not receive the frame: it is then being killed */
bool PoolSupervisor::send(const Frame &frame, const std::vector<int> &attached) {
    try {
        socket_.send(frame, attached, FrameSocket::in(SEND_TIMEOUT));
        return true;
    } catch (const std::exception &exception) {
        Log::error("event=pool.unreachable pid={} reason=\"{}\"", process_.pid(), exception.what());
    }
    // Frames that the process has sent are still to be read. The socket stays open until its end of
    // file.
    kill();
    return false;
}

void PoolSupervisor::receive() {
    receiveFrames(FRAMES_A_TURN);
}

/** Receives frames until none is left, at most `limit`. */
void PoolSupervisor::receiveFrames(int limit) {
    try {
        for (int i = 0; i < limit && socket_; ++i) {
            auto frame = socket_.tryReceive();
            if (!frame) {
                return;
            }
            handle(std::move(*frame));
        }
    } catch (const EndOfFileException &) {
        disconnect();
    } catch (const std::exception &exception) {
        Log::error("event=pool.protocol_error pid={} reason=\"{}\"", process_.pid(), exception.what());
        disconnect();
    }
}

void PoolSupervisor::handle(Frame frame) {
    if (frame.type != FrameType::STORE && !frame.descriptors.empty()) {
        throw ProtocolException("descriptors with a frame of type " + std::to_string(static_cast<int>(frame.type)));
    }
    switch (frame.type) {
        case FrameType::STORE: {
            if (holdsTooMany(socket_.descriptor().sender())) {
                throw ProtocolException("too many descriptors that it has sent wait to be closed");
            }
            if (!std::ranges::all_of(frame.descriptors, isStorable)) {
                throw ProtocolException("a descriptor of a kind that is not stored");
            }
            events_.stored(frame);
            store_.put({frame.field(0), frame.field(1), std::move(frame.descriptors)});
            return;
        }
        case FrameType::REMOVE:
            events_.stored(frame);
            store_.remove(frame.field(0));
            return;
        case FrameType::POOL_READY:
            ready_ = true;
            everReady_ = true;
            Log::info("event=pool.ready pid={} deposits={}", process_.pid(), store_.size());
            answers_.begin(clock_.now());
            events_.ready(frame);
            return;
        case FrameType::SETTINGS_DONE:
            // Earlier ones may be done when others are on their way.
            if (frame.field(0) == update_) {
                events_.settingsDone(update_);
            }
            return;
        case FrameType::REOPEN_LOG: events_.reopenLog(frame.field(0)); return;
        case FrameType::PONG: answers_.answered(clock_.now()); return;
        case FrameType::STOPPING: answers_.end(); return;
        case FrameType::AGENT_FAILED:
            Log::error("event=pool.failed pid={} reason=\"{}\"", process_.pid(), frame.field(1));
            failure_ = std::move(frame);
            return;
        default:
            throw ProtocolException("Frame of type " + std::to_string(static_cast<int>(frame.type)) +
                                    " from the pool process");
    }
}

/**
 * A pool process without its socket is useless. Its end, which causes the restart, follows soon.
 */
void PoolSupervisor::disconnect() {
    socket_ = FrameSocket();
    answers_.end();
    // A process that exits closes the socket just before. The wait gives time for its exit status.
    if (process_) {
        const pid_t pid = process_.pid();
        if (const auto status = process_.wait(milliseconds(500))) {
            processEnded(pid, *status);
            return;
        }
        kill();
    }
}

void PoolSupervisor::kill() {
    answers_.end();
    process_.signal(SIGKILL);
    if (!leaveAt_) {
        leaveAt_ = clock_.now() + END_PATIENCE;
    }
}

bool PoolSupervisor::reap(pid_t pid) {
    return pid == process_.pid() && reapEnded();
}

bool PoolSupervisor::reapEnded() {
    const pid_t pid = process_.pid();
    const auto status = process_.wait(milliseconds(0));
    if (!status) {
        return false;
    }
    // The socket may still contain the last STORE frames. A process that was taken over may have
    // passed its end on, and further ones may come.
    receiveFrames(FRAMES_IN_A_SOCKET);
    processEnded(pid, *status);
    return true;
}

/** Its instances are free for the next process. The watchdog reaps it when it ends. */
void PoolSupervisor::leaveIfKilled() {
    if (!leaveAt_ || clock_.now() < *leaveAt_ || reapEnded()) {
        return;
    }
    receiveFrames(FRAMES_IN_A_SOCKET);
    if (!process_) {
        return;  // It has ended meanwhile.
    }
    Log::error("event=pool.left_behind pid={} reason=\"the killed pool process waits in the kernel\"", process_.pid());
    processEnded(process_.release(), UNKNOWN_WAIT_STATUS);
}

void PoolSupervisor::processEnded(pid_t pid, int status) {
    socket_ = FrameSocket();
    answers_.end();
    leaveAt_.reset();
    events_.settingsDone(update_);
    const auto how = describeWaitStatus(status);
    if (!everReady_) {
        Log::error("event=pool.exited pid={} how=\"{}\" ready=false", pid, how);
        if (!failure_) {
            failure_ = Frame(FrameType::AGENT_FAILED,
                             {"io", "The pool process " + describeEnd(status) + " before it was ready", "0", ""});
        }
        events_.failed(*failure_);
        return;
    }
    Log::error("event=pool.exited pid={} how=\"{}\" ready={} restart_in_ms={}", pid, how, ready_,
               restart_.ended(clock_.now()).count());
}

void PoolSupervisor::tryToStart() {
    try {
        start();
    } catch (const SystemException &exception) {
        Log::error("event=pool.start_failed reason=\"{}\"", exception.what());
        process_ = ChildProcess();
        socket_ = FrameSocket();
        restart_.ended(clock_.now());
    }
}

std::optional<milliseconds> PoolSupervisor::untilUpkeep() const {
    const std::optional<milliseconds> restart = restart_.wait(clock_.now());
    const std::optional<MonotonicTime> next = leaveAt_ ? leaveAt_ : answers_.next();
    if (restart || !next) {
        return restart;
    }
    return timeUntil(*next, clock_.now());
}

void PoolSupervisor::upkeep() {
    leaveIfKilled();
    if (restart_.takeDue(clock_.now())) {
        tryToStart();
    }
    if (answers_.watchesNow(clock_.now())) {
        shortage_.look(process_.pid(), clock_.now());
        answers_.watched(clock_.now());
    }
    killIfSilent();
    if (answers_.asksNow(clock_.now()) && send(Frame(FrameType::PING), {})) {
        answers_.asked(clock_.now());
    }
}

/** What the process has sent may wait in the socket, if this process had no time to read it. What
 *  it sends meanwhile does not save it: it could send for ever. */
void PoolSupervisor::killIfSilent() {
    if (!answers_.isOverdue(clock_.now())) {
        return;
    }
    receiveFrames(FRAMES_IN_A_SOCKET);
    if (!answers_.isOverdue(clock_.now())) {
        return;
    }
    const char *const problem =
        ready_ ? "its event loop has not answered" : "it was started and has not begun to serve";
    if (shortage_.lasts(process_.pid(), clock_.now()) && answers_.extend(clock_.now())) {
        // Before the log, which may wait.
        shortage_.look(process_.pid(), clock_.now());
        Log::warn(
            "event=pool.starved pid={} reason=\"{} in time (PassengerAgentTimeout): a thread of it is ready to run, "
            "and the machine has no time for it\"",
            process_.pid(), problem);
        return;
    }
    const std::chrono::seconds silence = answers_.silentFor(clock_.now());
    const std::vector<std::string> threads = describeThreads(process_.pid());
    // Before the log, which may wait.
    kill();
    kills_++;
    for (const std::string &thread : threads) {
        Log::error("event=pool.thread pid={} {}", process_.pid(), thread);
    }
    Log::error("event=pool.killed pid={} reason=\"{} for {} s (PassengerAgentTimeout)\"", process_.pid(), problem,
               silence.count());
}

void PoolSupervisor::stop(milliseconds patience) {
    patience += stopTimeout_;
    restart_.cancel();
    answers_.end();
    // The copies must also be closed, so that sockets of instances close when the pool process
    // closes its own.
    store_.clear();
    if (socket_) {
        send(Frame(FrameType::STOP), {});
    }
    socket_ = FrameSocket();
    if (process_ && !process_.wait(patience)) {
        Log::error("event=pool.killed pid={} reason=\"the pool process did not end within {} ms\"", process_.pid(),
                   patience.count());
    }
    process_.killWithin(END_PATIENCE);
    leaveAt_.reset();
}

}  // namespace Passenger
