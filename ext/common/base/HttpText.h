#pragma once

#include <string_view>

namespace Passenger::HttpText {

/** Rules of RFC 9110 for the characters of a head. ASCII, whatever the locale. */

bool equalsOfSameLength(std::string_view a, std::string_view b) noexcept;
inline bool equalsIgnoringCase(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && equalsOfSameLength(a, b);
}
/** A method or a header's name: one tchar or more, and nothing else. */
bool isToken(std::string_view text) noexcept;
/** No control characters (line breaks, NUL) except tabs. */
bool isValue(std::string_view text) noexcept;
/** A path with its query in a request line: visible characters and bytes above ASCII. */
bool isTarget(std::string_view text) noexcept;
std::string_view trim(std::string_view text) noexcept;
/** Whether a header of this name concerns one connection only, whatever its value. */
bool isHopByHop(std::string_view name) noexcept;
/** Whether a comma-separated list, such as a Connection header, contains `name`. */
bool listHas(std::string_view list, std::string_view name) noexcept;

}  // namespace Passenger::HttpText
