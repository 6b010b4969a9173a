#include "watchdog/RightsSupervisor.h"

#include <unistd.h>

#include <csignal>
#include <exception>
#include <string>
#include <utility>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr int RIGHTS_DESCRIPTOR = 3;
/** The rights process only ever waits for its sockets. One that receives nothing has failed. */
constexpr milliseconds SEND_TIMEOUT{5000};
/** The rights process ends the groups of applications. */
constexpr milliseconds END_PATIENCE{6000};
/** The time for SIGKILL to take effect. */
constexpr milliseconds KILL_PATIENCE{2000};

}  // namespace

RightsSupervisor::RightsSupervisor(std::function<std::string()> program, const Clock &clock)
    : program_(std::move(program)), clock_(clock) {}

void RightsSupervisor::setSettings(std::vector<std::string> fields) {
    settings_ = std::move(fields);
    if (socket_) {
        sendSettings();
    }
}

/** The pool process gets the same settings afterwards. Its requests then meet the new ones. */
void RightsSupervisor::sendSettings() {
    if (!send(Frame(FrameType::SETTINGS, settings_), {STDERR_FILENO})) {
        return;
    }
    try {
        static_cast<void>(socket_.receive(FrameSocket::in(SEND_TIMEOUT)));
    } catch (const std::exception &exception) {
        Log::error("event=rights.unreachable pid={} reason=\"{}\"", process_.pid(), exception.what());
        kill();
    }
}

void RightsSupervisor::start() {
    restart_.started(clock_.now());
    DescriptorPair pair = makeStreamPair();
    ChildProcess::Command command;
    command.program = program_();
    command.arguments = {"rights"};
    command.descriptors = {{pair.second.get(), RIGHTS_DESCRIPTOR}};
    // The starting thread is the watchdog's only one, so the signal comes at the watchdog's end.
    command.parentDeathSignal = SIGKILL;
    process_ = ChildProcess(command);
    pair.second.reset();
    socket_ = FrameSocket(std::move(pair.first));
    sendSettings();
}

/** A process that does not receive is killed. Its end causes a restart. @return whether it does */
bool RightsSupervisor::send(const Frame &frame, const std::vector<int> &attached) {
    try {
        socket_.send(frame, attached, FrameSocket::in(SEND_TIMEOUT));
        return true;
    } catch (const std::exception &exception) {
        Log::error("event=rights.unreachable pid={} reason=\"{}\"", process_.pid(), exception.what());
        kill();
    }
    return false;
}

FileDescriptor RightsSupervisor::connectPool(uid_t user, pid_t pid) {
    DescriptorPair pair = makeStreamPair();
    if (process_) {
        send(Frame::of(FrameType::RIGHTS_SOCKET, user, pid), {pair.second.get()});
    }
    return std::move(pair.first);
}

bool RightsSupervisor::reap(pid_t pid) {
    return pid == process_.pid() && reapEnded();
}

bool RightsSupervisor::reapEnded() {
    const pid_t pid = process_.pid();
    const auto status = process_.wait(milliseconds(0));
    if (status) {
        ended(pid, *status);
    }
    return status.has_value();
}

void RightsSupervisor::ended(pid_t pid, int status) {
    socket_ = FrameSocket();
    leaveAt_.reset();
    Log::error("event=rights.exited pid={} how=\"{}\" restart_in_ms={}", pid, describeWaitStatus(status),
               restart_.ended(clock_.now()).count());
}

void RightsSupervisor::kill() {
    process_.signal(SIGKILL);
    if (!leaveAt_) {
        leaveAt_ = clock_.now() + KILL_PATIENCE;
    }
}

std::optional<milliseconds> RightsSupervisor::untilUpkeep() const {
    if (!leaveAt_) {
        return restart_.wait(clock_.now());
    }
    return timeUntil(*leaveAt_, clock_.now());
}

bool RightsSupervisor::upkeep() {
    if (leaveAt_ && clock_.now() >= *leaveAt_ && !reapEnded()) {
        Log::error("event=rights.left_behind pid={} reason=\"the killed rights process waits in the kernel\"",
                   process_.pid());
        ended(process_.release(), UNKNOWN_WAIT_STATUS);
    }
    if (!restart_.takeDue(clock_.now())) {
        return false;
    }
    try {
        start();
        return true;
    } catch (const SystemException &exception) {
        Log::error("event=rights.start_failed reason=\"{}\"", exception.what());
        process_ = ChildProcess();
        socket_ = FrameSocket();
        restart_.ended(clock_.now());
        return false;
    }
}

void RightsSupervisor::stop() {
    restart_.cancel();
    if (process_) {
        send(Frame(FrameType::STOP), {});
    }
    socket_ = FrameSocket();
    if (process_) {
        process_.wait(END_PATIENCE);
    }
    process_.killWithin(KILL_PATIENCE);
}

}  // namespace Passenger
