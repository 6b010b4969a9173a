#include "pool/InstancePause.h"

namespace Passenger {

void InstancePause::begin() {
    if (isOn()) {
        return;
    }
    order_ = link_.hasControl() ? Order::ASKED : Order::HOLDS;
    unanswered_++;
    link_.send(Frame(FrameType::PAUSE, {"1"}));
}

void InstancePause::end() {
    order_ = Order::NONE;
    atRest_ = false;
    unanswered_++;
    link_.send(Frame(FrameType::PAUSE, {"0"}));
}

void InstancePause::finish() {
    unanswered_++;
    link_.send(Frame(FrameType::FINISH));
}

bool InstancePause::answered(bool idle) noexcept {
    if (idle && order_ == Order::ASKED) {
        order_ = Order::HOLDS;
    }
    atRest_ = idle;
    if (unanswered_ == 0) {
        return false;
    }
    unanswered_--;
    return true;
}

}  // namespace Passenger
