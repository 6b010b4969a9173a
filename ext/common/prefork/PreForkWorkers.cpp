// How workers come and go.

#include <signal.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>
#include <vector>

#include "log/Log.h"
#include "prefork/PreFork.h"

namespace Passenger {

PreFork::Worker *PreFork::find(WorkerId id) noexcept {
    for (auto *workers : {&free_, &busy_, &ending_}) {
        if (const auto found = workers->find(id); found != workers->end()) {
            return &found->second;
        }
    }
    return nullptr;
}

/** @throws SystemException */
void PreFork::fork() {
    const WorkerId id(++lastId_);
    auto process = launcher_->launch(id);
    const MonotonicTime now = clock_.now();
    Worker worker;
    worker.id = id;
    worker.pid = process->pid();
    worker.process = std::move(process);
    worker.lastAck = now;
    worker.startTime = now;
    Log::debug("event=prefork.worker_started pid={}", worker.pid);
    free_.emplace(id, std::move(worker));
    starting_++;
    heartbeats_.noteAck(id, now);
}

/** It has told something. */
void PreFork::sign(Worker &worker) {
    if (worker.ready) {
        return;
    }
    worker.ready = true;
    starting_--;
    serverReady(worker);
    if (restart_ && restart_->replacement == worker.id) {
        advanceRestart();
    }
    handlerForkoff();
}

/** Tells it to end; from now on it does not count. */
void PreFork::end(WorkerId id) {
    auto node = free_.extract(id);
    if (!node) {
        node = busy_.extract(id);
    }
    if (!node) {
        return;
    }
    Worker &worker = node.mapped();
    if (!worker.ready) {
        starting_--;
    }
    heartbeats_.forget(id);
    mute_.erase(id);
    worker.killTime = clock_.now() + settings_.grace;
    ending_.insert(std::move(node));
    send(worker, SIGINT);
    if (restart_ && restart_->replacement == id && !worker.ready) {
        stopRestart("a new worker was not ready in time");
    }
}

void PreFork::send(Worker &worker, int signal) {
    try {
        worker.process->signal(signal);
    } catch (const std::exception &error) {
        Log::error("event=prefork.signal_failed pid={} signal={} error=\"{}\"", worker.pid, signal, error.what());
    }
}

void PreFork::killDue(MonotonicTime now) {
    for (auto &[id, worker] : ending_) {
        if (worker.killTime && now >= *worker.killTime) {
            Log::warn("event=prefork.worker_killed pid={} reason=\"did not end within the grace\"", worker.pid);
            worker.killTime.reset();
            send(worker, SIGKILL);
        }
    }
}

/** Those that closed their standard output and live on, and those that start for too long. */
void PreFork::endSilent(MonotonicTime now) {
    std::vector<WorkerId> silent;
    for (const auto &[id, time] : mute_) {
        if (now >= time) {
            Log::warn("event=prefork.worker_mute pid={} reason=\"closed its standard output\"", find(id)->pid);
            silent.push_back(id);
        }
    }
    if (starting_ > 0 && settings_.startTimeout > std::chrono::milliseconds(0)) {
        for (auto &[id, worker] : free_) {
            if (!worker.ready && now - worker.startTime >= settings_.startTimeout) {
                silent.push_back(id);
            }
        }
    }
    for (const WorkerId id : silent) {
        timeOut(id);
    }
}

/** It was silent for too long. */
void PreFork::timeOut(WorkerId id) {
    Worker *const worker = find(id);
    if (worker == nullptr) {
        return;
    }
    if (!worker->ready) {
        delay_.failed(clock_.now());
    }
    if (busy_.contains(id)) {
        serverTimeoutBusy(*worker);
    } else {
        serverTimeoutFree(*worker);
    }
}

/** In a worker. */
void PreFork::forget() noexcept {
    for (auto *workers : {&free_, &busy_, &ending_}) {
        for (auto &[id, worker] : *workers) {
            worker.process->forget();
        }
        workers->clear();
    }
    starting_ = 0;
}

void PreFork::stopIfOver() {
    if (ended_ || !free_.empty() || !busy_.empty() || !ending_.empty()) {
        return;
    }
    ended_ = true;
    handlerStop();
    end_.set_value();
}

/** Ends the oldest free ones, when there were too many for long enough. */
void PreFork::endSurplus(MonotonicTime now) {
    const unsigned surplus = surplus_.take(now);
    std::vector<WorkerId> oldest;
    for (auto free = free_.begin(); free != free_.end() && oldest.size() < surplus; ++free) {
        if (free->second.ready) {
            oldest.push_back(free->first);
        }
    }
    for (const WorkerId id : oldest) {
        end(id);
    }
}

}  // namespace Passenger
