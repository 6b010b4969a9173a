#include "spawning/Turnstile.h"

#include "base/Exceptions.h"

namespace Passenger {

Turnstile::Turn::Turn(Turnstile &turnstile, std::chrono::steady_clock::time_point deadline) : turnstile_(&turnstile) {
    LockGuard guard(turnstile.mutex_);
    while (turnstile.busy_) {
        if (!guard.waitUntil(turnstile.turnEnded_, deadline) && turnstile.busy_) {
            throw TimeoutException("others had the turn for too long");
        }
    }
    turnstile.busy_ = true;
}

Turnstile::Turn::~Turn() {
    if (turnstile_ == nullptr) {
        return;
    }
    {
        LockGuard guard(turnstile_->mutex_);
        turnstile_->busy_ = false;
    }
    turnstile_->turnEnded_.notify_one();
}

}  // namespace Passenger
