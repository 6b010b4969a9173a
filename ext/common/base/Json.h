#pragma once

#include <string>
#include <string_view>

namespace Passenger {

/**
 * @return `text` as a JSON string with its quotes (RFC 8259, section 7), in ASCII: a terminal shows
 *     it as it is. Invalid UTF-8 becomes U+FFFD.
 */
std::string jsonString(std::string_view text);
/** What a reader of that JSON has. */
std::string jsonText(std::string_view text);

}  // namespace Passenger
