#include "policy/SmoothWeights.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace Passenger {

namespace {

/** The weight that was told before, on its way to the measured one. */
double between(double before, double measured, std::chrono::nanoseconds passed, std::chrono::seconds halfLife) {
    return measured + (before - measured) * std::exp2(-std::chrono::duration<double>(passed) / halfLife);
}

}  // namespace

double SmoothWeights::next(const std::string &question, double measured, MonotonicTime now) {
    const auto found = told_.find(question);
    if (found == told_.end()) {
        makeRoom();
        told_[question] = {measured, now};
        return measured;
    }
    Told &told = found->second;
    const auto passed = now - told.at;
    if (passed > KEPT_FOR) {
        told = {measured, now};
        return measured;
    }
    const bool isSmall = std::abs(measured - told.weight) < AT_ONCE;
    told = {between(told.weight, measured, passed, isSmall ? HALF_LIFE_OF_SMALL : HALF_LIFE), now};
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
