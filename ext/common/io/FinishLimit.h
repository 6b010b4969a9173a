#pragma once

#include <chrono>

namespace Passenger {

/** The time that an instance gives the requests that it has when FINISH comes (doc/PROTOCOLS.md,
 *  section 4.3). test/layouts has recorded it for all languages. */
inline constexpr std::chrono::seconds FINISH_LIMIT{60};

}  // namespace Passenger
