#include "pool/InstancePause.h"

namespace Passenger {

void InstancePause::begin() {
    if (isOn()) {
        return;
    }
    order_ = link_.hasControl() ? Order::ASKED : Order::HOLDS;
    link_.send(Frame(FrameType::PAUSE, {"1"}));
}

void InstancePause::end() {
    order_ = Order::NONE;
    atRest_ = false;
    link_.send(Frame(FrameType::PAUSE, {"0"}));
}

void InstancePause::answered(bool idle) noexcept {
    if (idle && order_ == Order::ASKED) {
        order_ = Order::HOLDS;
    }
    atRest_ = idle;
}

}  // namespace Passenger
