#pragma once

#include <cstdint>

namespace Passenger {

/** Of a request, where others wait, too (PassengerPriority). */
enum class Priority : std::uint8_t { LOW, NORMAL, HIGH };

/** "low", "normal", "high" */
constexpr const char *nameOf(Priority priority) noexcept {
    switch (priority) {
        case Priority::LOW:
            return "low";
        case Priority::HIGH:
            return "high";
        case Priority::NORMAL:
            break;
    }
    return "normal";
}

}  // namespace Passenger
