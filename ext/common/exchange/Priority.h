#pragma once

#include <cstdint>

namespace Passenger {

/** The priority of a request among others that wait (PassengerPriority). */
enum class Priority : std::uint8_t { LOW, NORMAL, HIGH };

/** "low", "normal", "high" */
constexpr const char *nameOf(Priority priority) noexcept {
    switch (priority) {
        case Priority::LOW: return "low";
        case Priority::HIGH: return "high";
        case Priority::NORMAL: break;
    }
    return "normal";
}

}  // namespace Passenger
