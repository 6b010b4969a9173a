#include "prefork/WorkerSet.h"

#include <utility>

namespace Passenger {

namespace {

WorkerSet::Snapshot snapshotOf(const PreForkWorkers &workers) {
    WorkerSet::Snapshot snapshot;
    for (const auto &[id, worker] : workers) {
        snapshot[worker.pid] = {id, worker.pid, worker.lastAck, worker.startTime, worker.ready};
    }
    return snapshot;
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
    for (auto *workers : {&free_, &busy_}) {
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

void WorkerSet::clear() noexcept {
    free_.clear();
    busy_.clear();
    starting_ = 0;
}

void WorkerSet::forget() noexcept {
    for (auto *workers : {&free_, &busy_}) {
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
