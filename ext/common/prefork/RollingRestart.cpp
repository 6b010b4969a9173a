#include "prefork/RollingRestart.h"

#include <exception>
#include <utility>

namespace Passenger {

void RollingRestart::begin(WorkerId newest) {
    newestOld_ = newest;
    // It may load the previous version of the application.
    owner_.endWorker(std::exchange(replacement_, WorkerId()));
    advance();
}

void RollingRestart::workerReady(WorkerId id) {
    if (replacement_ != id) {
        return;
    }
    if (const auto old = owner_.nextToReplace(*newestOld_)) {
        owner_.endWorker(*old);
    }
    advance();
}

void RollingRestart::workerFailed(WorkerId id, const std::string &problem) {
    if (replacement_ == id) {
        stop(problem);
    }
}

void RollingRestart::cancel() noexcept {
    newestOld_.reset();
    replacement_ = WorkerId();
}

void RollingRestart::advance() {
    if (!owner_.nextToReplace(*newestOld_)) {
        stop("");
        return;
    }
    try {
        replacement_ = owner_.startReplacement();
    } catch (const std::exception &error) {
        stop(std::string("a new worker could not be started: ") + error.what());
    }
}

void RollingRestart::stop(const std::string &problem) {
    cancel();
    owner_.restartEnded(problem);
}

}  // namespace Passenger
