#pragma once

#include <chrono>
#include <ctime>
#include <optional>
#include <string_view>

#include "apache2/response/ResponseHead.h"

namespace Passenger::CachePolicy {

/** No answer is kept longer, whatever its headers say. */
inline constexpr std::chrono::seconds LONGEST{3600};

/**
 * How long a cached answer may also be given to other clients (RFC 9111, as a shared cache). The
 * answer must state its lifetime by s-maxage, max-age or Expires, and must be the same for all
 * clients. Nothing: the answer may not be cached.
 */
std::optional<std::chrono::seconds> freshFor(int status, const ResponseHead &head, std::time_t now);

/** Parses "Sun, 06 Nov 1994 08:49:37 GMT". Nothing for any other form. */
std::optional<std::time_t> parseDate(std::string_view text) noexcept;

}  // namespace Passenger::CachePolicy
