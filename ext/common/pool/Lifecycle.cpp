#include "pool/Lifecycle.h"

namespace Passenger {

void Lifecycle::drain(MonotonicTime now) noexcept {
    state_ = State::DRAINING;
    drainsSince_ = now;
}

void Lifecycle::fallDue(const std::string &why) {
    replacementReason_ = why;
}

}  // namespace Passenger
