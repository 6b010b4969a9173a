#include "prefork/WorkerMonitor.h"

#include <unistd.h>

#include <utility>

#include "log/Log.h"
#include "prefork/WorkerLauncher.h"
#include "prefork/WorkerOutput.h"

namespace Passenger {

WorkerMonitor::WorkerMonitor(PreForkSettings settings, const Clock &clock)
    : PreForkAttributes(std::move(settings)),
      clock_(clock),
      standardOutput_(STDOUT_FILENO, "STDOUT"),
      standardError_(STDERR_FILENO, "STDERR") {
    silence_.setTimeouts(timeout(), startTimeout());
}

void WorkerMonitor::attributesChanged() {
    silence_.setTimeouts(timeout(), startTimeout());
}

void WorkerMonitor::attachOutput(EventLoop &loop) {
    standardOutput_.attach(loop);
    standardError_.attach(loop);
}

std::chrono::milliseconds WorkerMonitor::serverCheckAck() const {
    return timeout() + timeout() / 2;
}

void WorkerMonitor::planCheck() {
    silence_.planCheck(now(), serverCheckAck());
}

void WorkerMonitor::startWorker(WorkerLauncher &launcher) {
    lastId_ = WorkerId(lastId_.value() + 1);
    auto process = launcher.launch(lastId_);
    const Worker &worker = workers_.add(lastId_, std::move(process), now());
    Log::debug("event=prefork.worker_started pid={}", worker.pid);
    silence_.addStarting(lastId_, worker.startTime);
}

void WorkerMonitor::end(WorkerId id) {
    if (workers_.end(id, now() + grace())) {
        silence_.forget(id);
    }
}

void WorkerMonitor::endAll() {
    while (const auto id = workers_.first()) {
        end(*id);
    }
}

PreForkWorkers::node_type WorkerMonitor::remove(WorkerId id) {
    silence_.forget(id);
    return workers_.remove(id);
}

void WorkerMonitor::discardAll() {
    standardOutput_.detach();
    standardError_.detach();
    workers_.clear();
}

void WorkerMonitor::forgetAll() noexcept {
    workers_.forget();
}

void WorkerMonitor::noteMute(WorkerId id) {
    if (workers_.contains(id)) {
        silence_.noteMute(id, now());
    }
}

void WorkerMonitor::checkSilence() {
    if (silence_.checkDue(now())) {
        planCheck();
        handlerServerTimeoutCheck();
    }
    const auto mute = silence_.mute(now());
    for (const WorkerId id : mute) {
        Log::warn("event=prefork.worker_mute pid={} reason=\"the worker closed its standard output\"", find(id)->pid);
    }
    const auto starting = silence_.startingTooLong(now());
    for (const auto *silent : {&mute, &starting}) {
        for (const WorkerId id : *silent) {
            timeOut(id);
        }
    }
}

void WorkerMonitor::timeOut(WorkerId id) {
    if (!workers_.contains(id)) {
        return;
    }
    Worker &worker = *find(id);
    const bool starting = !worker.ready;
    if (workers_.isBusy(id)) {
        serverTimeoutBusy(worker);
    } else {
        serverTimeoutFree(worker);
    }
    if (starting) {
        startTimedOut(id);
    }
}

void WorkerMonitor::handlerServerStderr(WorkerId id, std::string_view line) {
    if (Worker *const worker = find(id)) {
        serverStderr(*worker, line);
    }
}

void WorkerMonitor::handlerServerAck(WorkerId id, std::string_view output) {
    Worker *const worker = find(id);
    if (worker == nullptr) {
        return;
    }
    const bool ack = output == COMM_ACK;
    const bool busy = output == COMM_BUSY;
    if (!ack && !busy && output != COMM_NOT_BUSY) {
        serverStdout(*worker, output);
        return;
    }
    if (workers_.isEnding(id)) {
        workers_.noteMessageOfEnding(*worker);
        return;
    }
    // Each message is a sign of life. The timeout counts from here.
    silence_.noteSign(id, now());
    if (!worker->ready) {
        workers_.becomeReady(*worker);
        serverReady(*worker);
        becameReady(id);
        handlerForkoff();
    }
    if (ack) {
        serverAck(*worker);
        return;
    }
    if (busy) {
        serverBusy(*worker);
    } else {
        serverNotBusy(*worker);
    }
    handlerForkoff();
}

void WorkerMonitor::handlerServerTimeoutCheck() {
    const auto overdue = silence_.overdue(now());
    for (const WorkerId id : overdue) {
        timeOut(id);
    }
    if (!overdue.empty()) {
        handlerForkoff();
    }
}

void WorkerMonitor::serverAck(Worker &worker) {
    worker.lastAck = now();
}

void WorkerMonitor::serverBusy(Worker &worker) {
    workers_.becomeBusy(worker.id);
}

void WorkerMonitor::serverNotBusy(Worker &worker) {
    workers_.becomeFree(worker.id);
}

void WorkerMonitor::serverStdout(Worker &worker, std::string_view output) {
    standardOutput_.write(worker.pid, output);
}

void WorkerMonitor::serverStderr(Worker &worker, std::string_view line) {
    standardError_.write(worker.pid, line);
}

void WorkerMonitor::serverTimeout(Worker &worker) {
    end(worker.id);
}

void WorkerMonitor::serverTimeoutBusy(Worker &worker) {
    Log::warn("event=prefork.timeout pid={} state=busy", worker.pid);
    serverTimeout(worker);
}

void WorkerMonitor::serverTimeoutFree(Worker &worker) {
    Log::warn("event=prefork.timeout pid={} state={}", worker.pid, worker.ready ? "free" : "starting");
    serverTimeout(worker);
}

void WorkerMonitor::serverReady(Worker &) {}

}  // namespace Passenger
