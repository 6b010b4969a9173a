// The states of POE's PreFork, and the methods that they call.

#include <signal.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include "base/ChildProcess.h"
#include "log/Log.h"
#include "prefork/PreFork.h"
#include "prefork/WorkerOutput.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

}  // namespace

void PreFork::handlerStart() {
    started_ = true;
    mend();
    try {
        settings_.server->sendAck(std::chrono::floor<milliseconds>(heartbeats_.ackInterval()));
        settings_.server->start();
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

void PreFork::handlerStop() {
    heartbeats_ = Heartbeats<WorkerId>(settings_.timeout);
}

void PreFork::handlerRunError(const std::string &operation, int error) {
    const std::string text = operation + ": " + std::strerror(error);
    Log::error("event=prefork.fork_failed error=\"{}\"", text);
    if (settings_.shutdownOnError) {
        failure_ = "A worker could not be started: " + text;
        handlerShutdown();
    } else {
        delay_.failed(clock_.now());
    }
}

void PreFork::handlerShutdown() {
    if (isChild()) {
        shuttingDown_ = true;
        forget();
        return;
    }
    if (std::exchange(shuttingDown_, true)) {
        return;
    }
    nextCheck_.reset();
    forkTime_.reset();
    surplus_.clear();
    restart_.reset();
    mute_.clear();
    for (auto *workers : {&free_, &busy_}) {
        while (!workers->empty()) {
            end(workers->begin()->first);
        }
    }
    stopIfOver();
    setAlarm();
}

void PreFork::handlerServerClosed(WorkerId id, int status) {
    const bool told = ending_.contains(id);
    Worker *const worker = find(id);
    if (worker == nullptr) {
        return;
    }
    const MonotonicTime now = clock_.now();
    const auto life = now - worker->startTime;
    if (!told) {
        Log::warn("event=prefork.worker_died pid={} {} ready={} life={}ms", worker->pid, describeWaitStatus(status),
                  worker->ready, std::chrono::floor<milliseconds>(life).count());
        if (worker->ready) {
            delay_.died(now, worker->proven ? ForkDelay::LONG_LIFE : life);
        } else {
            starting_--;
            delay_.failed(now);
        }
    }
    heartbeats_.forget(id);
    mute_.erase(id);
    // Held until the end: its worker process may be the caller.
    Workers::node_type node;
    for (auto *workers : {&free_, &busy_, &ending_}) {
        if (node.empty()) {
            node = workers->extract(id);
        }
    }
    serverClosed(node.mapped(), status);
    if (restart_ && restart_->replacement == id && !node.mapped().ready) {
        stopRestart("a new worker " + describeWaitStatus(status) + " before it was ready");
    }
    if (shuttingDown_) {
        stopIfOver();
    } else {
        handlerForkoff();
    }
}

void PreFork::handlerServerStderr(WorkerId id, std::string_view line) {
    if (Worker *const worker = find(id)) {
        serverStderr(*worker, line);
    }
}

void PreFork::handlerServerAck(WorkerId id, std::string_view output) {
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
    if (ending_.contains(id)) {
        if (!std::exchange(worker->ready, true)) {
            // It has not heard of it: a program that starts, as Ruby, may lose a signal.
            send(*worker, SIGINT);
        }
        return;
    }
    // Each is a sign of life; what it does next is given its time from here, and while it was starting it owed nothing.
    heartbeats_.noteAck(id, clock_.now());
    sign(*worker);
    if (ack) {
        serverAck(*worker);
    } else if (busy) {
        serverBusy(*worker);
    } else {
        serverNotBusy(*worker);
    }
    if (!ack) {
        handlerForkoff();
    }
}

void PreFork::handlerServerTimeoutCheck() {
    bool any = false;
    for (const WorkerId id : heartbeats_.overdue(clock_.now())) {
        // While it starts there may be another limit.
        if (find(id)->ready || settings_.startTimeout == milliseconds(0)) {
            timeOut(id);
            any = true;
        }
    }
    if (any) {
        handlerForkoff();
    }
}

void PreFork::handlerForkoff() {
    if (shuttingDown_) {
        return;
    }
    const MonotonicTime now = clock_.now();
    const SpareDecision decision = decideSpares(settings_.limits, counts());
    surplus_.note(decision.stop, now);
    endSurplus(now);
    unsigned wanted = decision.start;
    if (delay_.failing(now)) {
        wanted = starting_ > 0 ? 0 : std::min(wanted, 1U);
    }
    for (; wanted > 0 && !shuttingDown_ && now >= delay_.notBefore(); wanted--) {
        handlerServerFork();
    }
    forkTime_.reset();
    if (!shuttingDown_ && now < delay_.notBefore() && decideSpares(settings_.limits, counts()).start > 0) {
        forkTime_ = delay_.notBefore();
    }
}

void PreFork::handlerServerFork() {
    try {
        fork();
    } catch (const std::system_error &error) {
        // Its text ends with what the code means.
        const std::string text = error.what();
        const std::string meaning = ": " + error.code().message();
        handlerRunError(text.substr(0, text.ends_with(meaning) ? text.size() - meaning.size() : text.size()),
                        error.code().value());
    }
}

void PreFork::serverStart() {
    isChild_ = true;
    handlerShutdown();
    settings_.server->resumeAccept();
}

void PreFork::serverAck(Worker &worker) {
    worker.lastAck = clock_.now();
}

void PreFork::serverBusy(Worker &worker) {
    if (auto node = free_.extract(worker.id)) {
        busy_.insert(std::move(node));
    }
}

void PreFork::serverNotBusy(Worker &worker) {
    if (auto node = busy_.extract(worker.id)) {
        node.mapped().proven = true;
        free_.insert(std::move(node));
    }
}

void PreFork::serverStdout(Worker &worker, std::string_view output) {
    standardOutput_.write(worker.pid, output);
}

void PreFork::serverStderr(Worker &worker, std::string_view line) {
    standardError_.write(worker.pid, line);
}

void PreFork::serverTimeout(Worker &worker) {
    end(worker.id);
}

void PreFork::serverTimeoutBusy(Worker &worker) {
    Log::warn("event=prefork.timeout pid={} state=busy", worker.pid);
    serverTimeout(worker);
}

void PreFork::serverTimeoutFree(Worker &worker) {
    Log::warn("event=prefork.timeout pid={} state={}", worker.pid, worker.ready ? "free" : "starting");
    serverTimeout(worker);
}

void PreFork::serverReady(Worker &) {}

void PreFork::serverClosed(Worker &, int) {}

void PreFork::restartEnded(const std::string &problem) {
    if (problem.empty()) {
        Log::notice("event=prefork.restarted");
    } else {
        Log::error("event=prefork.restart_stopped reason=\"{}\"; the old workers go on", problem);
    }
}

}  // namespace Passenger
