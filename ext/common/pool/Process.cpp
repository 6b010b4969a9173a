#include "pool/Process.h"

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "exchange/QueueChoice.h"
#include "exchange/WarmUp.h"
#include "io/Serve.h"
#include "log/Log.h"
#include "policy/Heartbeats.h"
#include "pool/InstanceStore.h"
#include "pool/WarmUpRun.h"
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
std::chrono::milliseconds heartbeatInterval(const Options &options) {
    const auto interval = Heartbeats<InstanceId>(options.heartbeatTimeout).ackInterval();
    return std::chrono::duration_cast<std::chrono::milliseconds>(interval);
}

std::uint32_t makeStickyId() {
    std::random_device random;
    return std::clamp<std::uint32_t>(random(), 1, QueueChoice::LAST_INSTANCE);
}

/** The instance still has time to say READY. */
std::chrono::milliseconds timeToWarmUp(std::chrono::milliseconds startTimeout) {
    return startTimeout - std::min<std::chrono::milliseconds>(std::chrono::seconds(1), startTimeout / 4);
}

}  // namespace

Process::Process(SpawnResult result, InstanceId id, std::uint64_t version, MonotonicTime now)
    : parts_(std::move(result)),
      pause_(link_),
      backtraces_(link_),
      id_(id),
      stickyId_(makeStickyId()),
      version_(version),
      since_(now),
      link_(parts_) {}

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
    return {.pid = pid(),
            .threads = socket.concurrency,
            .stickyId = stickyId_,
            .heartbeatTimeout = heartbeatTimeout_,
            .stopTimeout = stopTimeout_,
            .hasDescendants = parts_.hasDescendants,
            .isAsgi = parts_.isAsgi,
            .serves = state() == State::SERVING,
            .restartFile = restartFile,
            .group = parts_.group ? parts_.group->name() : "",
            .app = app};
}

void Process::beginToServe(const QueueHandover &handover, const std::string &app, const Options &options,
                           CancelSwitch &cancel) {
    socket.cells = handover.cells;
    if (!former_) {
        heartbeatTimeout_ = options.heartbeatTimeout;
        stopTimeout_ = options.stopTimeout;
    }
    const std::optional<RequestQueue> &priority = handover.queue->priority;
    // The options may have changed since the queue was made. Each of its instances must read it.
    if (options.stickySessions && !priority) {
        ownQueue = makeRequestQueue();
    }
    const RequestQueue *const readFirst = priority ? &*priority : ownQueue ? &*ownQueue : nullptr;
    pause_.served(handover.paused);
    const Serve serve{.cell = socket.cells.first,
                      .threads = socket.cells.count,
                      .app = app,
                      .maxRequests = options.maxRequests,
                      .stickyId = readFirst != nullptr ? stickyId_ : 0,
                      .reforkAfter = parts_.origin ? options.reforkAfter : 0,
                      .heartbeatInterval = heartbeatInterval(options),
                      .paused = handover.paused};
    std::vector<int> descriptors{handover.queue->queue.receivingEnd().get(), handover.claims.get(),
                                 handover.senders.get()};
    if (readFirst != nullptr) {
        descriptors.push_back(readFirst->receivingEnd().get());
    }
    const CancelSwitch::Watch watch(cancel, parts_.control.descriptor());
    const FrameSocket::Deadline deadline = FrameSocket::in(
        former_ ? std::min<std::chrono::milliseconds>(options.startTimeout, ADOPTION_LIMIT) : options.startTimeout);
    SpawnReport report = parts_.report ? std::move(*parts_.report) : SpawnReport();
    parts_.report.reset();
    secrets_ = Secrets(report.process.environment);
    report.steps.begin(HANDSHAKE);
    bool told = false;
    try {
        const bool warmedUp = !former_ && warmUp(serve, options, deadline, report);
        parts_.control.send(serve.toFrame(), descriptors, deadline);
        told = true;
        awaitReady(former_ || warmedUp, deadline, report);
    } catch (const std::exception &error) {
        if (former_ && !told) {
            // It finishes what it has, and knows nothing of this process.
            throw;
        }
        report.timedOut = std::chrono::steady_clock::now() >= deadline;
        explain(error, report);
        if (former_) {
            // It may work at requests.
            killed_ = true;
            former_->noteDeath(true);
        }
        link_.signal(SIGKILL);
        waitPidFd(parts_.pidFd, KILL_TIMEOUT);
        throw report.toException(options);
    }
}

/**
 * @param serve the SERVE that follows
 * @return whether there were requests, so that the instance has had a SERVE
 */
bool Process::warmUp(Serve serve, const Options &options, FrameSocket::Deadline deadline, SpawnReport &report) {
    const std::vector<std::string> environments = WarmUp::environmentsFor(options);
    if (environments.empty()) {
        return false;
    }
    WarmUpRun run(link_, serve.app, timeToWarmUp(options.startTimeout));
    serve.cell = 0;
    // These requests count for the instance as all others.
    serve.maxRequests += serve.maxRequests > 0 ? environments.size() : 0;
    serve.stickyId = 0;
    serve.paused = false;
    serve.warmsUp = true;
    parts_.control.send(serve.toFrame(), run.descriptors(), deadline);
    awaitReady(false, deadline, report);
    if (const std::optional<Frame> answer = run.send(environments)) {
        checkReady(*answer, report);
    }
    return true;
}

void Process::awaitReady(bool servesAlready, FrameSocket::Deadline deadline, SpawnReport &report) {
    checkReady(link_.receiveAnswer(socket.concurrency, servesAlready, deadline), report);
}

void Process::checkReady(const Frame &answer, SpawnReport &report) {
    if (answer.type == FrameType::FAILED) {
        report.steps.begin(answer.field(0));
        report.failedBy(answer);
        throw SpawnException(report.summary);
    }
    if (answer.type != FrameType::READY) {
        throw ProtocolException("it sent a frame that is no answer");
    }
}

/** Adds to the report why the instance does not serve. */
void Process::explain(const std::exception &error, SpawnReport &report) {
    const bool lost = lostContact(error);
    if (parts_.output) {
        collectPostMortem(report, {parts_.pidFd, parts_.waitStatus, *parts_.output, !parts_.hasDescendants}, lost);
    }
    if (report.summary.empty()) {
        report.summary = fmt::format("instance {} did not begin to serve: {}", pid(),
                                     lost ? "it " + howItEnded(report.waitStatus) : error.what());
    }
    report.steps.fail();
}

bool Process::closeOwnQueue() {
    if (!ownQueue || RequestQueue::closed(ownQueue->sendingEnd().get())) {
        return false;
    }
    ownQueue->shutDown();
    return true;
}

void Process::kill() {
    killed_ = true;
    if (former_) {
        // Before its channels end: then the children look at the claims.
        former_->noteDeath(true);
    }
    link_.signal(SIGKILL);
}

void Process::logExit(BackgroundThreads &threads, const std::string &app) {
    if (parts_.group) {
        parts_.group->look();
    }
    if (pid() <= 0) {
        return;
    }
    const auto waitStatus = std::make_shared<FileDescriptor>(std::move(parts_.waitStatus));
    const LogLevel level = endIsDeath() ? LogLevel::WARN : LogLevel::INFO;
    const auto log = [app, pid = pid(), level](const std::string &how) {
        Log::log(level, "event=instance.exited app=\"{}\" pid={}{}", app, pid, how);
    };
    try {
        threads.run("wait status",
                    [waitStatus, log] { log(waitStatusField(readWaitStatus(*waitStatus, WAIT_STATUS_LIMIT))); });
    } catch (const std::exception &) {
        log("");
    }
}

}  // namespace Passenger
