#include "pool/Process.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/Poll.h"
#include "exchange/WarmUp.h"
#include "log/Log.h"
#include "policy/Heartbeats.h"
#include "pool/Orphans.h"
#include "rights/Rights.h"
#include "spawning/PostMortem.h"
#include "spawning/WaitStatus.h"

namespace Passenger {

namespace {

/** The last step of a spawn. */
constexpr const char *HANDSHAKE = "handshake";
/** For an instance's parent to tell its wait status. A stopped preloader does not. */
constexpr std::chrono::milliseconds WAIT_STATUS_LIMIT{1000};
/** For an instance that serves already to answer another pool process. */
constexpr std::chrono::seconds ADOPTION_LIMIT{10};
/** For an instance that was killed to be gone. */
constexpr std::chrono::seconds KILL_TIMEOUT{20};
constexpr unsigned MAX_FRAMES_AT_ONCE = 1024;
/** Bytes of an instance's backtraces that are kept. */
constexpr std::size_t MOST_OF_BACKTRACES = 256 * 1024;
constexpr std::size_t MAX_DROPS = 256;
/** Bytes of a frame for the requests that warm an instance up. Each has all variables of SetEnv. */
constexpr std::size_t MOST_OF_WARM_UP = Frame::MAX_SIZE / 2;
constexpr int MAX_UNREAD = 64 * 1024;

/** What an instance may send once it serves. */
bool maySend(FrameType type) {
    return type == FrameType::FETCH || type == FrameType::LIMIT_REACHED || type == FrameType::PAUSE ||
           type == FrameType::WARM || type == FrameType::HEARTBEAT || type == FrameType::THREADS;
}

/** In ms; 0: the instance sends no signs of life. */
std::uint64_t heartbeatInterval(const Options &options) {
    const auto interval = Heartbeats<InstanceId>(options.heartbeatTimeout).ackInterval();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(interval).count());
}

std::uint32_t makeStickyId() {
    std::random_device random;
    return std::max<std::uint32_t>(random(), 1);
}

/** The instance gives the requests up sooner than the agent the instance, and then serves. */
std::chrono::milliseconds timeToWarmUp(std::chrono::milliseconds startTimeout) {
    return startTimeout - std::min<std::chrono::milliseconds>(std::chrono::seconds(1), startTimeout / 4);
}

void addWarmUp(Frame &serve, const Options &options) {
    const std::vector<std::string> environments = WarmUp::environmentsFor(options, MOST_OF_WARM_UP);
    if (environments.empty()) {
        return;
    }
    serve.add(timeToWarmUp(options.startTimeout).count());
    serve.add(environments);
}

}  // namespace

Process::Process(SpawnResult result, InstanceId id, std::uint64_t version, MonotonicTime now)
    : parts_(std::move(result)), pid_(parts_.pid), id_(id), stickyId_(makeStickyId()), version_(version), since_(now) {}

Process::Process(SpawnResult result, const Orphan &orphan, InstanceId id, std::uint64_t version, MonotonicTime now)
    : Process(std::move(result), id, version, now) {
    stickyId_ = orphan.note.stickyId;
    socket.concurrency = orphan.note.threads;
    heartbeatTimeout_ = orphan.note.heartbeatTimeout;
    stopTimeout_ = orphan.note.stopTimeout;
    restartFile = orphan.note.restartFile;
    former_ = orphan.claims;
}

Process::~Process() = default;

InstanceNote Process::note(const std::string &app) const {
    return {.pid = pid_,
            .threads = socket.concurrency,
            .stickyId = stickyId_,
            .heartbeatTimeout = heartbeatTimeout_,
            .stopTimeout = stopTimeout_,
            .hasDescendants = parts_.hasDescendants,
            .serves = state == State::SERVING,
            .restartFile = restartFile,
            .group = parts_.group ? parts_.group->name() : "",
            .cells = {socket.cells},
            .app = app};
}

void Process::beginToServe(const QueueHandover &handover, const std::string &app, const Options &options,
                           CancelSwitch &cancel) {
    socket.cells = handover.cells;
    if (!former_) {
        heartbeatTimeout_ = options.heartbeatTimeout;
        stopTimeout_ = std::chrono::seconds(options.stopTimeout);
    }
    const std::optional<RequestQueue> &priority = handover.queue->priority;
    // The options may have changed since the queue was made. Each of its instances must read it.
    if (options.stickySessions && !priority) {
        makeOwnQueue();
    }
    const RequestQueue *const readFirst = priority ? &*priority : ownQueue ? &*ownQueue : nullptr;
    beganPaused_ = paused_ = handover.paused;
    Frame serve = Frame::of(FrameType::SERVE, socket.cells.first, socket.cells.count, app, options.maxRequests,
                            readFirst != nullptr ? stickyId_ : 0, parts_.origin ? options.reforkAfter : 0,
                            heartbeatInterval(options), beganPaused_);
    if (!former_) {
        addWarmUp(serve, options);
    }
    std::vector<int> descriptors{handover.queue->queue.receivingEnd().get(), handover.claims.get(),
                                 handover.senders.get()};
    if (readFirst != nullptr) {
        descriptors.push_back(readFirst->receivingEnd().get());
    }
    const CancelSwitch::Watch watch(cancel, parts_.control.descriptor());
    const FrameSocket::Deadline deadline = FrameSocket::in(
        former_ ? std::min<std::chrono::milliseconds>(options.startTimeout, ADOPTION_LIMIT) : options.startTimeout);
    SpawnReport story = parts_.story ? std::move(*parts_.story) : SpawnReport();
    parts_.story.reset();
    secrets_ = Secrets(story.process.environment);
    story.steps.begin(HANDSHAKE);
    bool told = false;
    try {
        parts_.control.send(serve, descriptors, deadline);
        told = true;
        awaitReady(deadline, story);
    } catch (const std::exception &error) {
        if (former_ && !told) {
            // It finishes what it has, and knows nothing of this process.
            throw;
        }
        story.timedOut = std::chrono::steady_clock::now() >= deadline;
        explain(error, story);
        if (former_) {
            // It may work at requests.
            killed_ = true;
            former_->noteDeath(true);
        }
        Rights::ofThisProcess().signal(parts_.pidFd, SIGKILL);
        waitPidFd(parts_.pidFd, KILL_TIMEOUT);
        throw story.toException(options);
    }
}

void Process::awaitReady(FrameSocket::Deadline deadline, SpawnReport &story) {
    const Frame answer = receiveAnswer(deadline);
    if (answer.type == FrameType::FAILED) {
        story.steps.begin(answer.field(0));
        story.failedBy(answer);
        throw SpawnException(story.summary);
    }
    if (answer.type != FrameType::READY) {
        throw ProtocolException("it sent a frame that is no answer");
    }
}

/** An instance that serves already may have sent other frames before, for the pool process that
 *  has ended. */
Frame Process::receiveAnswer(FrameSocket::Deadline deadline) {
    Frame frame = parts_.control.receive(deadline);
    for (unsigned count = 0; former_ && maySend(frame.type); frame = parts_.control.receive(deadline)) {
        if (count++ == mostFetches()) {
            throw ProtocolException("it sends too much");
        }
        if (frame.type == FrameType::FETCH) {
            parts_.control.send(Frame::of(FrameType::NO_CHANNEL, frame.number(0)), deadline);
        }
    }
    return frame;
}

/** Adds to the story why the instance does not serve. */
void Process::explain(const std::exception &error, SpawnReport &story) {
    const bool lost = lostContact(error);
    if (parts_.output) {
        collectPostMortem(story, {parts_.pidFd, parts_.waitStatus, *parts_.output, !parts_.hasDescendants}, lost);
    }
    if (story.summary.empty()) {
        story.summary = fmt::format("instance {} did not begin to serve: {}", pid_,
                                    lost ? "it " + howItEnded(story.waitStatus) : error.what());
    }
    story.steps.fail();
}

void Process::watch(EventLoop &loop, std::function<void()> died, std::function<void(Frame)> frame) {
    if (!parts_.pidFd && !parts_.control) {
        return;
    }
    frame_ = std::move(frame);
    // On the loop: a process that has ended already calls back at once, and needs the watcher.
    loop.runSync([&] { startWatchers(loop, std::move(died)); });
}

void Process::startWatchers(EventLoop &loop, std::function<void()> died) {
    if (parts_.pidFd) {
        deathWatcher_ = std::make_unique<DescriptorWatcher>(loop, parts_.pidFd.get(), DescriptorWatcher::READABLE,
                                                            [this, died = std::move(died)](int) {
                                                                deathWatcher_->setEvents(0);
                                                                died();
                                                            });
    }
    if (parts_.control) {
        controlWatcher_ = std::make_unique<DescriptorWatcher>(
            loop, parts_.control.descriptor().get(), DescriptorWatcher::READABLE, [this](int) { readFrames(); });
        // Frames that came together with READY are read already: no watcher will tell of them.
        readFrames();
    }
}

/**
 * On the loop. Only the pidfd tells of death: an application's own child may hold the socket, or
 * close it.
 */
void Process::readFrames() {
    const bool held = !held_.empty();
    try {
        fetchHeld();
        unsigned fetches = 0;
        unsigned others = 0;
        while (std::optional<Frame> frame = parts_.control.tryReceive()) {
            const bool asks = frame->type == FrameType::FETCH;
            // More would keep the loop busy.
            if ((asks ? fetches++ == mostFetches() : others++ == MAX_FRAMES_AT_ONCE) || !maySend(frame->type)) {
                throw ProtocolException("it sends what it may not, or too much");
            }
            if (asks) {
                fetch(ChannelId(frame->number(0)));
            } else {
                frame_(std::move(*frame));
            }
        }
        if (held != !held_.empty()) {
            controlWatcher_->setEvents(DescriptorWatcher::READABLE | (held ? 0 : DescriptorWatcher::WRITABLE));
        }
    } catch (const EndOfFileException &) {
        controlWatcher_->setEvents(0);
    } catch (const std::exception &error) {
        Log::warn("event=instance.control_broken pid={} error=\"{}\"", pid_, error.what());
        controlWatcher_->setEvents(0);
        giveUp();
    }
}

/** Whether three quarters of the control socket's buffer are free (unix_writable() in Linux): then
 *  a watcher for WRITABLE calls back, and other frames have room, too. */
bool Process::isWritable() const {
    return pollUntil(parts_.control.descriptor().get(), POLLOUT, FrameSocket::Deadline::min());
}

/** Each of its threads asks for one channel at a time. */
unsigned Process::mostFetches() const noexcept {
    return MAX_FRAMES_AT_ONCE + socket.concurrency;
}

void Process::fetch(ChannelId channel) {
    if (held_.size() == mostFetches()) {
        throw ProtocolException("it asks for channels, and reads no answer");
    }
    held_.push_back(channel);
    fetchHeld();
}

void Process::fetchHeld() {
    while (!held_.empty() && isWritable()) {
        const ChannelId channel = held_.front();
        held_.pop_front();
        frame_(Frame::of(FrameType::FETCH, channel));
    }
}

bool Process::send(const Frame &frame, const std::vector<int> &descriptors) {
    if (!parts_.control) {
        return true;
    }
    try {
        parts_.control.send(frame, descriptors, FrameSocket::in(std::chrono::milliseconds(0)));
    } catch (const EndOfFileException &) {
        // It is on its way out; its pidfd will tell.
    } catch (const SystemException &error) {
        if (error.error() == ETOOMANYREFS) {
            // Nothing was sent, and the instance has not caused that.
            return false;
        }
        if (error.error() != EPIPE && error.error() != ECONNRESET) {
            Log::warn("event=instance.control_broken pid={} error=\"{}\"", pid_, error.what());
            giveUp();
        }
    } catch (const std::exception &error) {
        Log::warn("event=instance.control_full pid={} error=\"{}\" action=kill", pid_, error.what());
        giveUp();
    }
    return true;
}

bool Process::closeOwnQueue() {
    if (!ownQueue || RequestQueue::closed(ownQueue->sendingEnd().get())) {
        return false;
    }
    ownQueue->shutDown();
    return true;
}

bool Process::giveChannel(ChannelId channel, int end) {
    if (!send(Frame::of(FrameType::CHANNEL, channel), {end})) {
        return false;
    }
    channels_.insert(channel);
    return true;
}

/**
 * A busy or stopped instance reads nothing. It is told while there is room, and keeps the other
 * channels until it ends.
 */
void Process::dropChannels(const std::vector<ChannelId> &channels) {
    Frame frame(FrameType::DROP);
    for (const ChannelId channel : channels) {
        if (channels_.erase(channel) > 0) {
            frame.add(channel);
        }
        if (frame.fields.size() == MAX_DROPS) {
            sendIfRoom(std::exchange(frame, Frame(FrameType::DROP)));
        }
    }
    if (!frame.fields.empty()) {
        sendIfRoom(frame);
    }
}

void Process::sendIfRoom(const Frame &frame) {
    int waiting = 0;
    if (parts_.control && ioctl(parts_.control.descriptor().get(), SIOCOUTQ, &waiting) == 0 && waiting < MAX_UNREAD) {
        send(frame);
    }
}

void Process::askForThreads() {
    threads_.reset();
    threadsAsked_ = true;
    sendIfRoom(Frame(FrameType::THREADS));
}

void Process::noteThreads(const std::string &text) {
    if (std::exchange(threadsAsked_, false)) {
        threads_ = text.substr(0, MOST_OF_BACKTRACES);
    }
}

void Process::logThreads() {
    sendIfRoom(Frame(FrameType::THREADS, {"log"}));
}

void Process::finish() {
    send(Frame(FrameType::FINISH));
}

void Process::makeOwnQueue() {
    ownQueue.emplace();
    Rights::ofThisProcess().giveRoom(ownQueue->sendingEnd(), ownQueue->missingRoom());
}

void Process::pause() {
    if (paused_) {
        return;
    }
    paused_ = true;
    pauses_ = static_cast<bool>(parts_.control);
    send(Frame(FrameType::PAUSE, {"1"}));
}

void Process::takeRequests() {
    paused_ = pauses_ = atRest_ = false;
    send(Frame(FrameType::PAUSE, {"0"}));
}

void Process::kill() {
    killed_ = true;
    if (former_) {
        // Before its channels end: then the children look at the claims.
        former_->noteDeath(true);
    }
    giveUp();
}

/** It cannot be spoken with any more. */
void Process::giveUp() {
    if (parts_.pidFd && pid_ > 0) {
        Rights::ofThisProcess().signal(parts_.pidFd, SIGKILL);
    }
}

void Process::logExit(BackgroundThreads &threads, const std::string &app) {
    if (parts_.group) {
        parts_.group->look();
    }
    if (pid_ <= 0) {
        return;
    }
    const auto waitStatus = std::make_shared<FileDescriptor>(std::move(parts_.waitStatus));
    const LogLevel level = state == State::DRAINING ? LogLevel::INFO : LogLevel::WARN;
    const auto log = [app, pid = pid_, level](const std::string &how) {
        Log::log(level, "event=instance.exited app=\"{}\" pid={}{}", app, pid, how);
    };
    try {
        threads.run("wait status",
                    [waitStatus, log] { log(waitStatusField(readWaitStatus(*waitStatus, WAIT_STATUS_LIMIT))); });
    } catch (const std::exception &) {
        log("");
    }
}

void Process::askForBacktraces(const Options &options) {
    // A blocked event loop of Node handles no signal. A thread of the instance sees the question.
    if (options.appType == "node") {
        logThreads();
    } else if (parts_.pidFd && pid_ > 0) {
        Rights::ofThisProcess().signal(parts_.pidFd, SIGQUIT);
    }
}

}  // namespace Passenger
