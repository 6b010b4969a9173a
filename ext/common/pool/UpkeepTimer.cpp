#include "pool/UpkeepTimer.h"

#include <algorithm>

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds SHORTEST_WAIT{1};

}  // namespace

UpkeepTimer::UpkeepTimer(PoolContext &context, const std::function<void()> &upkeep) : context_(context) {
    if (upkeep) {
        timer_.emplace(context.loop, upkeep);
    }
}

void UpkeepTimer::set(Group &group, std::optional<MonotonicTime> date) {
    dates_.set(&group, date);
    arm();
}

std::vector<Group *> UpkeepTimer::due(MonotonicTime now) {
    armedFor_.reset();
    return dates_.due(now);
}

void UpkeepTimer::arm() {
    const std::optional<MonotonicTime> next = dates_.next();
    if (!timer_ || !next || context_.shuttingDown || (armedFor_ && *armedFor_ <= *next)) {
        return;
    }
    armedFor_ = next;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*next - context_.clock.now());
    timer_->start(std::max(wait, SHORTEST_WAIT));
}

void UpkeepTimer::stop() {
    if (timer_) {
        timer_->stop();
    }
}

}  // namespace Passenger
