#include "prefork/PreFork.h"

#include <cstring>
#include <exception>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/ChildProcess.h"
#include "base/Poll.h"
#include "log/Log.h"
#include "prefork/WorkerLauncher.h"

namespace Passenger {

PreFork::PreFork(PreForkSettings settings, std::unique_ptr<WorkerLauncher> launcher, const Clock &clock)
    : WorkerMonitor(std::move(settings), clock), launcher_(std::move(launcher)), spares_(surplusTime()) {
    if (!launcher_) {
        throw std::invalid_argument("PreFork needs a launcher");
    }
}

PreFork::~PreFork() {
    const auto endAll = [this] {
        timer_.reset();
        if (isChild_) {
            forgetAll();
        }
        discardAll();
        launcher_.reset();
    };
    // A worker has no loop, even if the parent had one.
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
        attachOutput(loop);
        launcher_->attach(loop, *this);
        begin();
    });
}

void PreFork::begin() {
    begun_ = true;
    planCheck();
    handlerForkoff();
    setAlarm();
}

std::string PreFork::waitForEnd() {
    EventLoop::assertNotOnAnyLoop("PreFork::waitForEnd");
    awaitedEnd_.wait();
    return failure_;
}

void PreFork::attributesChanged() {
    WorkerMonitor::attributesChanged();
    spares_.setSurplusTime(surplusTime());
    if (begun_) {
        handlerForkoff();
        setAlarm();
    }
}

std::optional<MonotonicTime> PreFork::nextAlarm() const {
    const auto next = workers().nextKill();
    if (shuttingDown_) {
        return next;
    }
    return earlier(next, earlier(nextSilence(), spares_.nextDue()));
}

void PreFork::runAlarms() {
    killDue();
    if (!shuttingDown_) {
        checkSilence();
        handlerForkoff();
    }
    setAlarm();
}

/** Sets the timer only to an earlier time. So busy workers do not set it with each message. */
void PreFork::setAlarm() {
    const auto next = nextAlarm();
    if (!timer_ || !next || (alarm_ && *alarm_ <= *next)) {
        return;
    }
    alarm_ = next;
    timer_->start(timeUntil(*next, now()));
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
    noteMute(id);
    setAlarm();
}

void PreFork::workerClosed(WorkerId id, int status) {
    handlerServerClosed(id, status);
    setAlarm();
}

void PreFork::launcherEnded(const std::string &reason) {
    handlerChild(reason);
    setAlarm();
}

void PreFork::handlerStart() {
    fixAttributes();
    try {
        server().sendAck(ackInterval());
        server().start();
        launcher_->prepare([this] { serverStart(); });
    } catch (const std::exception &error) {
        handlerChild(error.what());
        throw;
    }
}

void PreFork::handlerChild(const std::string &reason) {
    if (shuttingDown_) {
        return;
    }
    failure_ = reason;
    Log::error("event=prefork.server_ended reason=\"{}\"", reason);
    handlerShutdown();
}

void PreFork::handlerStop() {}

void PreFork::handlerRunError(const std::string &operation, int error) {
    const std::string text = operation + ": " + std::strerror(error);
    Log::error("event=prefork.fork_failed error=\"{}\"", text);
    if (shutdownOnError()) {
        failure_ = "A worker could not be started: " + text;
        handlerShutdown();
    } else {
        spares_.startFailed(now());
    }
}

void PreFork::handlerShutdown() {
    if (isChild()) {
        shuttingDown_ = true;
        forgetAll();
        return;
    }
    if (std::exchange(shuttingDown_, true)) {
        return;
    }
    forgetRestart();
    endAll();
    stopIfOver();
    setAlarm();
}

void PreFork::stopIfOver() {
    if (ended_ || !workers().empty()) {
        return;
    }
    ended_ = true;
    handlerStop();
    end_.set_value();
}

void PreFork::handlerServerClosed(WorkerId id, int status) {
    // The worker lives until the end of this method: its WorkerProcess may be the caller.
    const auto node = remove(id);
    if (!node) {
        return;
    }
    Worker &worker = node.mapped();
    if (!worker.told) {
        noteDeath(worker, status);
    }
    serverClosed(worker, status);
    if (!worker.ready) {
        notReady(id, "a new worker " + describeEnd(status) + " before it was ready");
    }
    if (shuttingDown_) {
        stopIfOver();
    } else {
        handlerForkoff();
    }
}

void PreFork::noteDeath(const Worker &worker, int status) {
    const auto life = now() - worker.startTime;
    Log::warn("event=prefork.worker_died pid={} {} ready={} life={}ms", worker.pid, describeWaitStatus(status),
              worker.ready, std::chrono::floor<std::chrono::milliseconds>(life).count());
    if (worker.ready) {
        spares_.died(now(), life, worker.proven);
    } else {
        spares_.startFailed(now());
    }
}

void PreFork::serverClosed(Worker &, int) {}

void PreFork::handlerForkoff() {
    if (shuttingDown_) {
        return;
    }
    const MonotonicTime time = now();
    for (const WorkerId id : workers().oldestFree(spares_.surplus(limits(), counts(), time))) {
        end(id);
    }
    for (unsigned missing = spares_.missing(limits(), counts(), time);
         missing > 0 && !shuttingDown_ && spares_.startAllowed(time); missing--) {
        handlerServerFork();
    }
    spares_.planStart(limits(), counts(), time);
}

void PreFork::handlerServerFork() {
    try {
        startWorker(*launcher_);
    } catch (const std::system_error &error) {
        // The text of a system_error ends with the meaning of its code.
        const std::string text = error.what();
        const std::string meaning = ": " + error.code().message();
        handlerRunError(text.substr(0, text.ends_with(meaning) ? text.size() - meaning.size() : text.size()),
                        error.code().value());
    }
}

void PreFork::serverStart() {
    isChild_ = true;
    handlerShutdown();
    server().resumeAccept();
}

void PreFork::restartServers() {
    if (shuttingDown_) {
        return;
    }
    const WorkerId newestOld = newestId();
    spares_.forgetFailures();
    // Missing workers load the new version, and are not replaced.
    handlerForkoff();
    if (!shuttingDown_) {
        newestOld_ = newestOld;
        // It may load the previous version of the application.
        end(std::exchange(replacement_, WorkerId()));
        advanceRestart();
    }
    setAlarm();
}

void PreFork::restartEnded(const std::string &problem) {
    if (problem.empty()) {
        Log::notice("event=prefork.restarted");
    } else {
        Log::error("event=prefork.restart_stopped reason=\"{}\"; the old workers continue", problem);
    }
}

void PreFork::advanceRestart() {
    if (!workers().nextToReplace(*newestOld_)) {
        stopRestart("");
        return;
    }
    try {
        startWorker(*launcher_);
        replacement_ = newestId();
    } catch (const std::exception &error) {
        stopRestart(std::string("a new worker could not be started: ") + error.what());
    }
}

void PreFork::becameReady(WorkerId id) {
    if (replacement_ != id) {
        return;
    }
    if (const auto old = workers().nextToReplace(*newestOld_)) {
        end(*old);
    }
    advanceRestart();
}

/** The worker ended before it was ready, or is too late. */
void PreFork::notReady(WorkerId id, const std::string &problem) {
    if (replacement_ == id) {
        stopRestart(problem);
    }
}

void PreFork::stopRestart(const std::string &problem) {
    forgetRestart();
    restartEnded(problem);
}

void PreFork::forgetRestart() noexcept {
    newestOld_.reset();
    replacement_ = WorkerId();
}

void PreFork::startTimedOut(WorkerId id) {
    spares_.startFailed(now());
    if (!workers().contains(id)) {
        notReady(id, "a new worker was not ready in time");
    }
}

}  // namespace Passenger
