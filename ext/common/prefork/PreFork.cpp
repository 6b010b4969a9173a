#include "prefork/PreFork.h"

#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

PreFork::Snapshot snapshotOf(const std::map<WorkerId, PreFork::Worker> &workers) {
    PreFork::Snapshot snapshot;
    for (const auto &[id, worker] : workers) {
        snapshot[worker.pid] = {id, worker.pid, worker.lastAck, worker.startTime, worker.ready};
    }
    return snapshot;
}

void takeEarlier(std::optional<MonotonicTime> &first, const std::optional<MonotonicTime> &other) {
    if (other && (!first || *other < *first)) {
        first = other;
    }
}

}  // namespace

PreFork::PreFork(PreForkSettings settings, std::unique_ptr<WorkerLauncher> launcher, const Clock &clock)
    : settings_(std::move(settings)),
      launcher_(std::move(launcher)),
      clock_(clock),
      heartbeats_(settings_.timeout),
      surplus_(settings_.surplusTime),
      standardOutput_(STDOUT_FILENO, "STDOUT"),
      standardError_(STDERR_FILENO, "STDERR") {
    if (!settings_.server || !launcher_) {
        throw std::invalid_argument("PreFork needs a server and a launcher");
    }
}

PreFork::~PreFork() {
    const auto endAll = [this] {
        timer_.reset();
        standardOutput_.detach();
        standardError_.detach();
        if (isChild_) {
            forget();
        }
        free_.clear();
        busy_.clear();
        ending_.clear();
        launcher_.reset();
    };
    // In a worker there is no loop, whatever the parent had.
    if (loop_ != nullptr && !isChild_) {
        loop_->runSync(endAll);
    } else {
        endAll();
    }
}

void PreFork::start() {
    handlerStart();
}

void PreFork::run(EventLoop &loop) {
    loop.runSync([this, &loop] {
        loop_ = &loop;
        timer_ = std::make_unique<Timer>(loop, [this] {
            alarm_.reset();
            runAlarms();
        });
        standardOutput_.attach(loop);
        standardError_.attach(loop);
        launcher_->attach(loop, *this);
        begin();
    });
}

void PreFork::begin() {
    begun_ = true;
    planCheck(clock_.now());
    handlerForkoff();
    setAlarm();
}

std::string PreFork::waitForEnd() {
    EventLoop::assertNotOnAnyLoop("PreFork::waitForEnd");
    awaitedEnd_.wait();
    return failure_;
}

PreFork::Snapshot PreFork::freeServers() const {
    return snapshotOf(free_);
}

PreFork::Snapshot PreFork::busyServers() const {
    return snapshotOf(busy_);
}

std::map<WorkerId, pid_t> PreFork::idToPid() const {
    std::map<WorkerId, pid_t> pids;
    for (const auto *workers : {&free_, &busy_}) {
        for (const auto &[id, worker] : *workers) {
            pids[id] = worker.pid;
        }
    }
    return pids;
}

SpareCounts PreFork::counts() const noexcept {
    return {static_cast<unsigned>(free_.size()) - starting_, static_cast<unsigned>(busy_.size()), starting_};
}

milliseconds PreFork::serverCheckAck() const {
    return settings_.timeout + settings_.timeout / 2;
}

void PreFork::planCheck(MonotonicTime now) {
    nextCheck_.reset();
    if (const auto interval = serverCheckAck(); heartbeats_.enabled() && interval > milliseconds(0)) {
        heartbeats_.setCheckInterval(interval);
        nextCheck_ = now + interval;
    }
}

std::optional<MonotonicTime> PreFork::nextAlarm() const {
    std::optional<MonotonicTime> next;
    for (const auto &[id, worker] : ending_) {
        takeEarlier(next, worker.killTime);
    }
    if (shuttingDown_) {
        return next;
    }
    takeEarlier(next, nextCheck_);
    takeEarlier(next, forkTime_);
    takeEarlier(next, surplus_.nextDue());
    for (const auto &[id, time] : mute_) {
        takeEarlier(next, time);
    }
    if (starting_ > 0 && settings_.startTimeout > milliseconds(0)) {
        for (const auto &[id, worker] : free_) {
            if (!worker.ready) {
                takeEarlier(next, worker.startTime + settings_.startTimeout);
            }
        }
    }
    return next;
}

void PreFork::runAlarms() {
    const MonotonicTime now = clock_.now();
    killDue(now);
    if (!shuttingDown_) {
        if (nextCheck_ && now >= *nextCheck_) {
            planCheck(now);
            handlerServerTimeoutCheck();
        }
        endSilent(now);
        handlerForkoff();
    }
    setAlarm();
}

/** Only ever to an earlier time: an alarm that comes too early does no harm, and what is busy does not set one each time. */
void PreFork::setAlarm() {
    const auto next = nextAlarm();
    if (!timer_ || !next || (alarm_ && *alarm_ <= *next)) {
        return;
    }
    alarm_ = next;
    timer_->start(std::max(std::chrono::ceil<milliseconds>(*next - clock_.now()), milliseconds(0)));
}

void PreFork::workerStdout(WorkerId id, std::string_view output) {
    handlerServerAck(id, output);
    setAlarm();
}

void PreFork::workerStderr(WorkerId id, std::string_view line) {
    handlerServerStderr(id, line);
}

void PreFork::workerPrinted(WorkerId id, std::string_view line) {
    if (Worker *const worker = find(id)) {
        serverStdout(*worker, line);
    }
}

void PreFork::workerMute(WorkerId id) {
    // Its end comes next, as a rule.
    constexpr std::chrono::seconds patience(1);
    if (free_.contains(id) || busy_.contains(id)) {
        mute_[id] = clock_.now() + patience;
        setAlarm();
    }
}

void PreFork::workerClosed(WorkerId id, int status) {
    handlerServerClosed(id, status);
    setAlarm();
}

void PreFork::launcherEnded(const std::string &reason) {
    handlerChild(reason);
    setAlarm();
}

}  // namespace Passenger
