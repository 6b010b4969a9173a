#include "control/Uptime.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace Passenger {

std::string uptimeText(double seconds) {
    constexpr std::uint64_t MINUTE = 60;
    constexpr std::uint64_t HOUR = 60 * MINUTE;
    constexpr std::uint64_t DAY = 24 * HOUR;
    const auto whole = static_cast<std::uint64_t>(std::max(seconds, 0.0));
    std::string text;
    if (whole >= DAY) {
        text += fmt::format("{}d ", whole / DAY);
    }
    if (whole >= HOUR) {
        text += fmt::format("{}h ", whole % DAY / HOUR);
    }
    if (whole >= MINUTE) {
        text += fmt::format("{}m ", whole % HOUR / MINUTE);
    }
    return text + fmt::format("{}s", whole % MINUTE);
}

}  // namespace Passenger
