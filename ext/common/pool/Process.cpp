#include "pool/Process.h"

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include "base/PidFd.h"
#include "exchange/QueueChoice.h"
#include "log/Log.h"
#include "pool/Handshake.h"
#include "pool/InstanceStore.h"
#include "spawning/WaitStatus.h"

namespace Passenger {

namespace {

/** For an instance's parent to tell its wait status. A stopped preloader does not. */
constexpr std::chrono::milliseconds WAIT_STATUS_LIMIT{1000};
/** For an instance that was killed to be gone. */
constexpr std::chrono::seconds KILL_TIMEOUT{20};

std::uint32_t makeStickyId() {
    std::random_device random;
    return std::clamp<std::uint32_t>(random(), 1, QueueChoice::LAST_INSTANCE);
}

}  // namespace

Process::Process(SpawnResult result, InstanceId id, std::uint64_t version, MonotonicTime now, Start start)
    : parts_(std::move(result)),
      pause_(link_),
      backtraces_(link_),
      secrets_(parts_.report ? parts_.report->process.environment : Secrets::Variables()),
      id_(id),
      stickyId_(makeStickyId()),
      version_(version),
      since_(now),
      start_(std::move(start)),
      socket_{start_.threads, Generation(), CellRange()},
      link_(parts_) {}

Process::Process(SpawnResult result, const Orphan &orphan, InstanceId id, std::uint64_t version, MonotonicTime now)
    : Process(std::move(result), id, version, now,
              {.threads = orphan.note.threads,
               .heartbeatTimeout = orphan.note.heartbeatTimeout,
               .stopTimeout = orphan.note.stopTimeout,
               .restartFile = orphan.note.restartFile,
               .deployFailed = orphan.note.deployFailed}) {
    stickyId_ = orphan.note.stickyId;
    former_ = orphan.claims;
}

Process::~Process() = default;

InstanceNote Process::note(const std::string &app) const {
    return {.pid = pid(),
            .threads = socket_.concurrency,
            .stickyId = stickyId_,
            .heartbeatTimeout = start_.heartbeatTimeout,
            .stopTimeout = start_.stopTimeout,
            .hasDescendants = parts_.hasDescendants,
            .isAsgi = parts_.isAsgi,
            .serves = state() == State::SERVING,
            .deployFailed = start_.deployFailed,
            .restartFile = start_.restartFile,
            .group = parts_.group ? parts_.group->name() : "",
            .app = app};
}

void Process::beginToServe(const QueueHandover &handover, const std::string &app, const Options &options,
                           CancelSwitch &cancel) {
    const std::optional<RequestQueue> &priority = handover.queue->priority;
    // The options may have changed since the queue was made. Each of its instances must read it.
    if (options.stickySessions && !priority) {
        ownQueue_ = makeRequestQueue();
    }
    const RequestQueue *const readFirst = priority ? &*priority : ownQueue_ ? &*ownQueue_ : nullptr;
    pause_.served(handover.paused);
    Handshake handshake(link_, parts_, {app, options, handover, readFirst, stickyId_, former_ != nullptr});
    const std::optional<SpawnReport> failure = handshake.run(cancel);
    if (!failure) {
        return;
    }
    if (former_) {
        // It may work at requests.
        kill();
    } else {
        link_.signal(SIGKILL);
    }
    waitPidFd(parts_.pidFd, KILL_TIMEOUT);
    throw failure->toException(options);
}

bool Process::closeOwnQueue() {
    if (!ownQueue_ || RequestQueue::closed(ownQueue_->sendingEnd().get())) {
        return false;
    }
    ownQueue_->shutDown();
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

void Process::noteTimes(const InstanceStatus &times) {
    measured_.cpuTime = times.cpuTime;
    measured_.processAge = times.processAge;
    measured_.applicationPid = times.applicationPid;
}

void Process::noteMemory(const ProcessMemory &memory, MonotonicTime now) {
    measured_.memory = memory.used();
    measured_.privateMemory = memory.unshared();
    growth_.note(now - since_, memory.allocated());
}

bool Process::onlyWaits(MonotonicTime now, CpuLoad &cpu) {
    if (cpuUse_.isDue(now)) {
        cpuUse_.note(now, cpu.usedBy(pid()));
    }
    return cpuUse_.onlyWaits();
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
