#pragma once

#include <chrono>

#include "io/FinishLimit.h"

namespace Passenger {

/** An instance that is to finish is killed after this time, and the time that its application has
 *  for the end (Options::stopTimeout). */
inline constexpr std::chrono::seconds DRAIN_LIMIT = FINISH_LIMIT + std::chrono::seconds(30);

}  // namespace Passenger
