#include "policy/SurplusWindow.h"

namespace Passenger {

void SurplusWindow::note(unsigned surplus, MonotonicTime now) {
    MonotonicTime since = now;
    while (!steps_.empty() && steps_.back().surplus > surplus) {
        // A larger surplus includes this one.
        since = steps_.back().since;
        steps_.pop_back();
    }
    if (surplus > 0 && (steps_.empty() || steps_.back().surplus < surplus)) {
        steps_.push_back({since, surplus});
    }
}

unsigned SurplusWindow::take(MonotonicTime now) {
    unsigned taken = 0;
    while (!steps_.empty() && now - steps_.front().since >= length_) {
        taken = steps_.front().surplus;
        steps_.pop_front();
    }
    for (auto &step : steps_) {
        step.surplus -= taken;
    }
    return taken;
}

std::optional<MonotonicTime> SurplusWindow::nextDue() const {
    return steps_.empty() ? std::nullopt : std::optional(steps_.front().since + length_);
}

}  // namespace Passenger
