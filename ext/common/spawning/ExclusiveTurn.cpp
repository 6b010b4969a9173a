#include "spawning/ExclusiveTurn.h"

#include "base/Exceptions.h"

namespace Passenger {

ExclusiveTurn::Turn::Turn(ExclusiveTurn &exclusive, std::chrono::steady_clock::time_point deadline)
    : exclusive_(&exclusive) {
    LockGuard guard(exclusive.mutex_);
    while (exclusive.busy_) {
        if (!guard.waitUntil(exclusive.turnEnded_, deadline) && exclusive.busy_) {
            throw TimeoutException("other threads held the exclusive turn for too long");
        }
    }
    exclusive.busy_ = true;
}

ExclusiveTurn::Turn::~Turn() {
    if (exclusive_ == nullptr) {
        return;
    }
    {
        LockGuard guard(exclusive_->mutex_);
        exclusive_->busy_ = false;
    }
    exclusive_->turnEnded_.notify_one();
}

}  // namespace Passenger
