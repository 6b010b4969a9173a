#pragma once

#include <string_view>

namespace Passenger::HttpText {

/** What RFC 9110 says of the characters of a head. Plain ASCII: the locale has no say. */

bool equalsIgnoringCase(std::string_view a, std::string_view b) noexcept;
/** A method, or a header's name: not empty, and nothing but tchar. */
bool isToken(std::string_view text) noexcept;
/** Without line breaks, NUL and other control characters, but for tabs. */
bool isValue(std::string_view text) noexcept;
/** A path with its query in a request line: visible characters and bytes above ASCII. */
bool isTarget(std::string_view text) noexcept;
std::string_view trim(std::string_view text) noexcept;
/** Whether the header is about one connection, whatever it says. */
bool isHopByHop(std::string_view name) noexcept;
/** Whether a list like that of a Connection header has this name. */
bool listHas(std::string_view list, std::string_view name) noexcept;

}  // namespace Passenger::HttpText
