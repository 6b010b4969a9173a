#pragma once

namespace Passenger {

// What SetHandler may name.
inline constexpr const char *STATUS_HANDLER = "passenger-status";
inline constexpr const char *HEALTH_HANDLER = "passenger-health";

}  // namespace Passenger
