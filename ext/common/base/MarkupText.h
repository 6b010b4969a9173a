#pragma once

#include <string>
#include <string_view>

namespace Passenger {

/** Makes text of others harmless for terminals: control characters but line breaks and tabs, also
 *  those of two bytes in UTF-8, become `\x1b`. */
std::string printable(std::string_view text);

/** Escapes the text for HTML or XML, within elements and quoted attributes. XML 1.0 allows all of
 *  its characters if `text` is UTF-8. */
std::string markupText(std::string_view text);

}  // namespace Passenger
