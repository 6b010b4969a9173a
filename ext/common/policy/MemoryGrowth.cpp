#include "policy/MemoryGrowth.h"

namespace Passenger {

namespace {

/** One part of all growth has to be late growth. */
constexpr std::uint64_t PARTS = 4;

std::uint64_t less(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : 0;
}

}  // namespace

void MemoryGrowth::note(std::chrono::nanoseconds age, std::uint64_t bytes) {
    if (!measured_) {
        measured_ = true;
        first_ = early_ = middle_ = bytes;
        middleAge_ = age;
    } else if (age > 2 * middleAge_) {
        early_ = middle_;
        middle_ = bytes;
        middleAge_ = age;
    }
    last_ = bytes;
}

std::uint64_t MemoryGrowth::grown() const noexcept {
    return less(last_, first_);
}

bool MemoryGrowth::goesOn() const noexcept {
    const std::uint64_t late = less(last_, early_);
    return late > 0 && late >= grown() / PARTS;
}

}  // namespace Passenger
