#include "prefork/EndingWorkers.h"

#include <signal.h>

#include <exception>
#include <utility>

#include "log/Log.h"

namespace Passenger {

namespace {

void send(const PreForkWorker &worker, int signal) {
    try {
        worker.process->signal(signal);
    } catch (const std::exception &error) {
        Log::error("event=prefork.signal_failed pid={} signal={} error=\"{}\"", worker.pid, signal, error.what());
    }
}

}  // namespace

void EndingWorkers::add(PreForkWorkers::node_type node, MonotonicTime killTime) {
    PreForkWorker &worker = workers_.insert(std::move(node)).position->second;
    worker.told = true;
    worker.killTime = killTime;
    send(worker, SIGINT);
}

PreForkWorker *EndingWorkers::find(WorkerId id) noexcept {
    const auto found = workers_.find(id);
    return found == workers_.end() ? nullptr : &found->second;
}

void EndingWorkers::noteMessage(PreForkWorker &worker) {
    if (!std::exchange(worker.ready, true)) {
        send(worker, SIGINT);
    }
}

void EndingWorkers::killDue(MonotonicTime now) {
    for (auto &[id, worker] : workers_) {
        if (worker.killTime && now >= *worker.killTime) {
            Log::warn("event=prefork.worker_killed pid={} reason=\"the worker did not end within the grace time\"",
                      worker.pid);
            worker.killTime.reset();
            send(worker, SIGKILL);
        }
    }
}

std::optional<MonotonicTime> EndingWorkers::nextDue() const {
    std::optional<MonotonicTime> next;
    for (const auto &[id, worker] : workers_) {
        if (worker.killTime && (!next || *worker.killTime < *next)) {
            next = worker.killTime;
        }
    }
    return next;
}

void EndingWorkers::forget() noexcept {
    for (auto &[id, worker] : workers_) {
        worker.process->forget();
    }
    clear();
}

}  // namespace Passenger
