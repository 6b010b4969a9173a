#include "policy/SmoothWeights.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace Passenger {

double SmoothWeights::next(const std::string &question, double measured, MonotonicTime now) {
    const auto found = told_.find(question);
    if (found == told_.end()) {
        makeRoom();
        told_[question] = {measured, now};
        return measured;
    }
    Told &told = found->second;
    const auto passed = now - told.at;
    const double halves = std::chrono::duration<double>(passed) / HALF_LIFE;
    const double kept = passed > KEPT_FOR ? 0 : std::exp2(-halves);
    told = {measured + (told.weight - measured) * kept, now};
    return told.weight;
}

void SmoothWeights::makeRoom() {
    if (told_.size() >= MOST) {
        told_.erase(std::min_element(told_.begin(), told_.end(), [](const auto &left, const auto &right) {
            return left.second.at < right.second.at;
        }));
    }
}

}  // namespace Passenger
