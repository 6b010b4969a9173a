#include "prefork/WorkerSet.h"

#include <signal.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "log/Log.h"

namespace Passenger {

namespace {

WorkerSet::Snapshot snapshotOf(const PreForkWorkers &workers) {
    WorkerSet::Snapshot snapshot;
    for (const auto &[id, worker] : workers) {
        snapshot[worker.pid] = {id, worker.pid, worker.lastAck, worker.startTime, worker.ready};
    }
    return snapshot;
}

void send(const PreForkWorker &worker, int signal) {
    try {
        worker.process->signal(signal);
    } catch (const std::exception &error) {
        Log::error("event=prefork.signal_failed pid={} signal={} error=\"{}\"", worker.pid, signal, error.what());
    }
}

}  // namespace

PreForkWorker &WorkerSet::add(WorkerId id, std::unique_ptr<WorkerProcess> process, MonotonicTime now) {
    PreForkWorker worker;
    worker.id = id;
    worker.pid = process->pid();
    worker.process = std::move(process);
    worker.lastAck = now;
    worker.startTime = now;
    starting_++;
    return free_.emplace(id, std::move(worker)).first->second;
}

PreForkWorker *WorkerSet::find(WorkerId id) noexcept {
    for (auto *workers : {&free_, &busy_, &ending_}) {
        if (const auto found = workers->find(id); found != workers->end()) {
            return &found->second;
        }
    }
    return nullptr;
}

void WorkerSet::becomeReady(PreForkWorker &worker) noexcept {
    worker.ready = true;
    starting_--;
}

void WorkerSet::becomeBusy(WorkerId id) {
    if (auto node = free_.extract(id)) {
        busy_.insert(std::move(node));
    }
}

void WorkerSet::becomeFree(WorkerId id) {
    if (auto node = busy_.extract(id)) {
        node.mapped().proven = true;
        free_.insert(std::move(node));
    }
}

/** Takes a worker out that counts. */
PreForkWorkers::node_type WorkerSet::extract(WorkerId id) {
    auto node = free_.extract(id);
    if (!node) {
        node = busy_.extract(id);
    }
    if (node && !node.mapped().ready) {
        starting_--;
    }
    return node;
}

bool WorkerSet::end(WorkerId id, MonotonicTime killTime) {
    auto node = extract(id);
    if (!node) {
        return false;
    }
    PreForkWorker &worker = ending_.insert(std::move(node)).position->second;
    worker.told = true;
    worker.killTime = killTime;
    send(worker, SIGINT);
    return true;
}

void WorkerSet::noteMessageOfEnding(PreForkWorker &worker) {
    if (!std::exchange(worker.ready, true)) {
        send(worker, SIGINT);
    }
}

void WorkerSet::killDue(MonotonicTime now) {
    for (auto &[id, worker] : ending_) {
        if (worker.killTime && now >= *worker.killTime) {
            Log::warn("event=prefork.worker_killed pid={} reason=\"the worker did not end within the grace time\"",
                      worker.pid);
            worker.killTime.reset();
            send(worker, SIGKILL);
        }
    }
}

std::optional<MonotonicTime> WorkerSet::nextKill() const {
    std::optional<MonotonicTime> next;
    for (const auto &[id, worker] : ending_) {
        next = earlier(next, worker.killTime);
    }
    return next;
}

PreForkWorkers::node_type WorkerSet::remove(WorkerId id) {
    auto node = extract(id);
    return node ? std::move(node) : ending_.extract(id);
}

void WorkerSet::clear() noexcept {
    free_.clear();
    busy_.clear();
    ending_.clear();
    starting_ = 0;
}

void WorkerSet::forget() noexcept {
    for (auto *workers : {&free_, &busy_, &ending_}) {
        for (auto &[id, worker] : *workers) {
            worker.process->forget();
        }
    }
    clear();
}

std::optional<WorkerId> WorkerSet::first() const {
    for (const auto *workers : {&free_, &busy_}) {
        if (!workers->empty()) {
            return workers->begin()->first;
        }
    }
    return std::nullopt;
}

SpareCounts WorkerSet::counts() const noexcept {
    return {static_cast<unsigned>(free_.size()) - starting_, static_cast<unsigned>(busy_.size()), starting_};
}

WorkerSet::Snapshot WorkerSet::freeServers() const {
    return snapshotOf(free_);
}

WorkerSet::Snapshot WorkerSet::busyServers() const {
    return snapshotOf(busy_);
}

bool WorkerSet::hasPid(pid_t pid) const noexcept {
    const auto among = [pid](const PreForkWorkers &workers) {
        return std::any_of(workers.begin(), workers.end(),
                           [pid](const auto &entry) { return entry.second.pid == pid; });
    };
    return among(free_) || among(busy_) || among(ending_);
}

std::map<WorkerId, pid_t> WorkerSet::idToPid() const {
    std::map<WorkerId, pid_t> pids;
    for (const auto *workers : {&free_, &busy_}) {
        for (const auto &[id, worker] : *workers) {
            pids[id] = worker.pid;
        }
    }
    return pids;
}

std::vector<WorkerId> WorkerSet::oldestFree(unsigned count) const {
    std::vector<WorkerId> oldest;
    for (auto free = free_.begin(); free != free_.end() && oldest.size() < count; ++free) {
        if (free->second.ready) {
            oldest.push_back(free->first);
        }
    }
    return oldest;
}

std::optional<WorkerId> WorkerSet::nextToReplace(WorkerId last) const {
    std::optional<WorkerId> found;
    for (auto free = free_.begin(); free != free_.end() && free->first <= last; ++free) {
        if (free->second.ready) {
            return free->first;
        }
        if (!found) {
            found = free->first;
        }
    }
    if (!found && !busy_.empty() && busy_.begin()->first <= last) {
        found = busy_.begin()->first;
    }
    return found;
}

}  // namespace Passenger
