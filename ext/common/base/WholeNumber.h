#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace Passenger {

/** The number that the whole text is: decimal digits, behind a minus if the type has a sign.
 *  Nothing: it is no number, or too large for the type. */
template <std::integral Number> std::optional<Number> wholeNumber(std::string_view text) noexcept {
    Number number = 0;
    const char *const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

}  // namespace Passenger
