#include "exchange/ToldOptions.h"

#include <algorithm>

namespace Passenger {

bool ToldOptions::isToTell(std::uint64_t settings, const Clock &clock) const {
    if (!told_.empty() && told_.back() == settings) {
        return false;
    }
    const bool isNew = std::find(told_.begin(), told_.end(), settings) == told_.end();
    return (isNew && told_.size() < MOST) || clock.now() - last_ >= PAUSE;
}

void ToldOptions::noteTold(std::uint64_t settings, const Clock &clock) {
    if (std::erase(told_, settings) == 0 && told_.size() >= MOST) {
        told_.erase(told_.begin());
    }
    told_.push_back(settings);
    last_ = clock.now();
}

void ToldOptions::noteUntold(std::uint64_t settings, const Clock &clock) {
    std::erase(told_, settings);
    told_.insert(told_.begin(), settings);
    last_ = clock.now();
}

}  // namespace Passenger
