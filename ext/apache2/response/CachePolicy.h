#pragma once

#include <chrono>
#include <ctime>
#include <optional>
#include <string_view>

#include "apache2/response/ResponseHead.h"

namespace Passenger::CachePolicy {

/** Nothing is kept longer, whatever it says of itself. */
inline constexpr std::chrono::seconds LONGEST{3600};

/**
 * How long an answer may be given to others, too (RFC 9111, as a shared cache): only what says so itself, by s-maxage, max-age or Expires, and what is the same
 * for everybody. Nothing: it may not.
 */
std::optional<std::chrono::seconds> freshFor(int status, const ResponseHead &head, std::time_t now);

/** "Sun, 06 Nov 1994 08:49:37 GMT"; nothing for whatever else. */
std::optional<std::time_t> parseDate(std::string_view text) noexcept;

}  // namespace Passenger::CachePolicy
