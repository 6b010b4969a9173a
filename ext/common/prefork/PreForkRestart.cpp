// Replacing all workers, one by one.

#include <exception>
#include <string>

#include "prefork/PreFork.h"

namespace Passenger {

void PreFork::restartServers() {
    if (shuttingDown_) {
        return;
    }
    const WorkerId unfinished = restart_ ? restart_->replacement : WorkerId();
    restart_ = Restart{WorkerId(lastId_), WorkerId()};
    // It loads what is old by now; and with each call there would be one more.
    if (const Worker *const worker = find(unfinished); worker != nullptr && !worker->ready) {
        end(unfinished);
    }
    advanceRestart();
    setAlarm();
}

/** The one to end next: a free one; else one that still starts, else a busy one. Of several the oldest. */
std::optional<WorkerId> PreFork::oldWorker() const {
    const auto isOld = [this](const Worker &worker) { return worker.id <= restart_->lastOld; };
    std::optional<WorkerId> found;
    for (const auto &[id, worker] : free_) {
        if (isOld(worker) && worker.ready) {
            return id;
        }
        if (isOld(worker) && !found) {
            found = id;
        }
    }
    if (!found && !busy_.empty() && isOld(busy_.begin()->second)) {
        found = busy_.begin()->first;
    }
    return found;
}

/** At its beginning, and when a replacement is ready. */
void PreFork::advanceRestart() {
    if (restart_->replacement) {
        if (const auto old = oldWorker()) {
            end(*old);
        }
    }
    if (!oldWorker()) {
        restart_.reset();
        restartEnded("");
        return;
    }
    try {
        fork();
        restart_->replacement = WorkerId(lastId_);
    } catch (const std::exception &error) {
        stopRestart(std::string("a new worker could not be started: ") + error.what());
    }
}

void PreFork::stopRestart(const std::string &problem) {
    restart_.reset();
    restartEnded(problem);
}

}  // namespace Passenger
