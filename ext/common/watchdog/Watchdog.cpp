#include "watchdog/Watchdog.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/Clock.h"
#include "base/DescriptorLimit.h"
#include "base/DynamicUser.h"
#include "base/Exceptions.h"
#include "base/ProcessTree.h"
#include "base/SignalDescriptor.h"
#include "base/StandardDescriptors.h"
#include "base/SystemClock.h"
#include "io/AgentFailure.h"
#include "io/AgentSettings.h"
#include "log/Log.h"
#include "watchdog/StoredDescriptors.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** The time for the pool process to end its instances in order, beside
 *  AgentSettings::stopTimeout. */
constexpr milliseconds POOL_PATIENCE{5000};
/** The time for SIGKILL to take effect on all others. With the times before, shorter than
 *  WATCHDOG_PATIENCE of the anchor. */
constexpr milliseconds KILL_PATIENCE{8000};
constexpr milliseconds REPORT_TIMEOUT{10000};

/** The anchor sends at once, but may have many store entries. */
constexpr milliseconds BEGIN_TIMEOUT{30000};

/** The pool process has the same limit, and needs as many beside the requests' channels.
 *  @param instances PassengerMaxPoolSize */
void tellOfFewDescriptors(std::size_t instances) {
    const std::size_t wanted = StoredDescriptors::wantedFor(instances);
    if (descriptorLimit() < wanted) {
        Log::warn(
            "event=descriptors.few limit={} wanted={} directive=PassengerMaxPoolSize instances={} "
            "consequence=\"of more than about {} instances some may not outlive a crash of the agent's pool process, "
            "and under load requests may get 503\" reason=\"{}\"",
            descriptorLimit(), wanted, instances, descriptorLimit() / StoredDescriptors::wantedFor(1),
            explainDescriptorLimit());
    }
}

/** @param frame the settings, with the log's descriptor */
void useLog(Frame &frame, std::size_t descriptor = 0) {
    useAsOutput(frame.takeDescriptor(descriptor));
    const auto settings = AgentSettings::fromMap(frame.map(0));
    Log::setFormat(logFormatIn(settings.logFormat));
    Log::setTarget(settings.logTarget());
    tellOfFewDescriptors(settings.maxPoolSize);
}

/** Both grants together, so that a frame has room for the other settings. */
constexpr std::size_t MAX_GRANTS = Frame::MAX_SETTINGS_SIZE - Frame::MAX_SIZE;

/** The settings of a reload, with what counted before it: requests of before need that of a process
 *  that starts after the reload, too. Without it if both are too large for a frame. */
std::vector<std::string> withEarlierGrants(std::vector<std::string> fields, const std::vector<std::string> &before) {
    auto settings = Frame(FrameType::SETTINGS, std::move(fields)).map(0);
    auto earlier = Frame(FrameType::SETTINGS, before).map(0);
    if (settings[AgentSettings::GRANTS] == earlier[AgentSettings::GRANTS]) {
        for (const char *const key : {AgentSettings::EARLIER_GRANTS, AgentSettings::GRANTS_CHANGED}) {
            if (const auto found = earlier.find(key); found != earlier.end()) {
                settings[key] = found->second;
            }
        }
    } else if (settings[AgentSettings::GRANTS].size() + earlier[AgentSettings::GRANTS].size() <= MAX_GRANTS) {
        const auto now = std::chrono::steady_clock::now().time_since_epoch();
        settings[AgentSettings::EARLIER_GRANTS] = earlier[AgentSettings::GRANTS];
        settings[AgentSettings::GRANTS_CHANGED] =
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count());
    }
    Frame frame(FrameType::SETTINGS);
    frame.add(settings);
    return std::move(frame.fields);
}

}  // namespace

Watchdog::Watchdog(FileDescriptor anchor, std::function<std::string()> program)
    : anchor_(std::move(anchor), Frame::MAX_SETTINGS_SIZE),
      program_(std::move(program)),
      pool_(program_, serverSocket_, SystemClock::instance(),
            {[this](const Frame &ready) { poolIsReady(ready); },
             [this](const Frame &failure) {
                 report(failure);
                 endReason_ = "the pool process did not start";
                 exitStatus_ = EXIT_FAILURE;
             },
             [this](const Frame &change) { tellAnchor(change, {}); },
             [this](const std::string &update) { settingsDone(update); },
             [this](const std::string &number) { reopening_ = number; }}) {}

Watchdog::~Watchdog() = default;

int Watchdog::run() {
    signals_ = makeSignalDescriptor({SIGCHLD});
    adoptOrphans();
    begin();
    while (endReason_.empty()) {
        turn();
    }
    end();
    return exitStatus_;
}

void Watchdog::adoptOrphans() {
    throwUnless(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl(PR_SET_CHILD_SUBREAPER)");
}

/** Takes what the anchor has, up to BEGIN. @throws as FrameSocket::receive() */
void Watchdog::begin() {
    for (;;) {
        Frame frame = anchor_.receive(FrameSocket::in(BEGIN_TIMEOUT));
        if (frame.type == FrameType::RESTORE) {
            const auto key = frame.field(0);
            pool_.restore({key, frame.field(1), std::move(frame.descriptors)});
        } else if (frame.type == FrameType::BEGIN) {
            control_ = FrameSocket(frame.takeDescriptor(0), Frame::MAX_SETTINGS_SIZE);
            if (frame.descriptors.size() > 1) {
                goOn(std::move(frame));
            }
            return;
        } else {
            throw ProtocolException("frame of type " + std::to_string(static_cast<int>(frame.type)));
        }
    }
}

/** Another watchdog has died. Its pool process and its rights process were killed with it. */
void Watchdog::goOn(Frame begin) {
    startAsked_ = true;
    startReported_ = true;
    useLog(begin, 1);
    serverSocket_ = begin.takeDescriptor(2);
    if (::geteuid() == 0) {
        startRights(begin.fields);
    }
    // The watchdog before this one may have died within an update.
    settingsAwaited_ = true;
    pool_.setSettings(std::move(begin.fields));
    pool_.startAgain();
}

void Watchdog::turn() {
    std::array<pollfd, 5> entries{{
        {control_.descriptor().get(), POLLIN, 0},
        {anchor_.descriptor().get(), POLLIN, 0},
        {signals_.get(), POLLIN, 0},
        {pool_.descriptor(), POLLIN, 0},
        // Polled for a hang-up only: the pool process receives the data.
        {draining_ ? serverSocket_.get() : -1, 0, 0},
    }};
    if (::poll(entries.data(), entries.size(), pollTimeout()) < 0) {
        throwUnless(errno == EINTR, "poll");
        return;
    }
    if (entries[1].revents != 0) {
        receiveFromAnchor();
        if (!endReason_.empty()) {
            return;
        }
    }
    if (entries[4].revents != 0) {
        endReason_ = "the owner released the agent, and no process uses it";
        return;
    }
    // Before the signals: a process's frames precede its death.
    if (entries[3].revents != 0) {
        pool_.receive();
        // Once a turn, however often the pool process asks.
        if (const auto number = std::exchange(reopening_, std::nullopt)) {
            reopenLog(*number);
        }
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

void Watchdog::receiveFromAnchor() {
    try {
        while (const auto frame = anchor_.tryReceive()) {
            if (frame->type != FrameType::STOP) {
                throw ProtocolException("frame of type " + std::to_string(static_cast<int>(frame->type)));
            }
            endReason_ = frame->field(0);
        }
    } catch (const EndOfFileException &) {
        anchorEnded();
    } catch (const std::exception &exception) {
        endReason_ = std::string("the anchor sent an invalid frame: ") + exception.what();
        exitStatus_ = EXIT_FAILURE;
    }
}

/** The owner starts another agent as soon as it sees the end of file. */
void Watchdog::anchorEnded() {
    anchor_ = FrameSocket();
    control_ = FrameSocket();
    endReason_ = "the anchor ended";
}

void Watchdog::tellAnchor(const Frame &frame, const std::vector<int> &attached) {
    try {
        if (anchor_) {
            anchor_.send(frame, attached, FrameSocket::in(REPORT_TIMEOUT));
        }
    } catch (const SystemException &exception) {
        if (exception.error() != ETOOMANYREFS) {
            anchorLost(exception);
            return;
        }
        // Nothing was sent. Only after a death of the watchdog is the entry missing.
        Log::warn("event=anchor.not_stored reason=\"{}\"", exception.what());
    } catch (const std::exception &exception) {
        anchorLost(exception);
    }
}

void Watchdog::anchorLost(const std::exception &exception) {
    Log::error("event=anchor.unreachable reason=\"{}\"", exception.what());
    anchorEnded();
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
    pool_.release();
    Log::notice("event=agent.draining reason=\"the owner released the agent\"");
}

void Watchdog::handle(Frame frame) {
    switch (frame.type) {
        case FrameType::AGENT_START: startPool(std::move(frame)); return;
        case FrameType::SETTINGS:
            useLog(frame);
            settingsAwaited_ = true;
            frame.fields = withEarlierGrants(std::move(frame.fields), pool_.settings());
            tellOthers(frame.fields);
            pool_.setSettings(std::move(frame.fields));
            return;
        case FrameType::STOP: endReason_ = "the owner requested it"; return;
        default: throw ProtocolException("frame of type " + std::to_string(static_cast<int>(frame.type)));
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
            startRights(start.fields);
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
void Watchdog::startRights(const std::vector<std::string> &fields) {
    const auto settings = AgentSettings::fromMap(Frame(FrameType::SETTINGS, fields).map(0));
    rights_.emplace(program_, SystemClock::instance());
    rights_->setSettings(fields);
    rights_->start();
    const FileRights user = DynamicUser::choose(settings.agentUser);
    pool_.useRights(
        {user, text(settings.seccomp), [this, uid = user.uid](pid_t pid) { return rights_->connectPool(uid, pid); }});
}

void Watchdog::poolIsReady(const Frame &ready) {
    if (std::exchange(startReported_, true)) {
        return;
    }
    // First, so that a started agent survives the death of this process.
    tellAnchor(Frame(FrameType::AGENT_START, pool_.settings()), {STDERR_FILENO, serverSocket_.get()});
    report(Frame::of(FrameType::AGENT_STARTED, ::getpid(), ready.field(0), ready.field(1), ready.field(2)));
}

/** The owner may have given up waiting. */
void Watchdog::settingsDone(const std::string &update) {
    if (!std::exchange(settingsAwaited_, false) || !control_) {
        return;
    }
    try {
        control_.send(Frame(FrameType::SETTINGS_DONE, {update}), FrameSocket::in(milliseconds(0)));
    } catch (const std::exception &exception) {
        Log::debug("event=agent.owner_not_told reason=\"{}\"", exception.what());
    }
}

/** Anchor and rights process get settings, with descriptor 2 as the log. They come before the pool
 *  process, which may ask for what new settings give. */
void Watchdog::tellOthers(const std::vector<std::string> &settings) {
    if (startReported_) {
        tellAnchor(Frame(FrameType::SETTINGS, settings), {STDERR_FILENO});
    }
    if (rights_) {
        rights_->setSettings(settings);
    }
}

/** The pool process has no right to open it. */
void Watchdog::reopenLog(const std::string &number) {
    std::string error;
    try {
        const auto settings = AgentSettings::fromMap(Frame(FrameType::SETTINGS, pool_.settings()).map(0));
        if (settings.logsToFile()) {
            useAsOutput(settings.openLogFile());
            tellOthers(pool_.settings());
        }
    } catch (const std::exception &exception) {
        error = exception.what();
        Log::error("event=log.not_reopened reason=\"{}\"", error);
    }
    pool_.logReopened(number, error);
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
    tellAnchor(Frame(FrameType::STOPPING), {});
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
