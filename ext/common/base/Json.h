#pragma once

#include <string>
#include <string_view>

namespace Passenger {

/**
 * @return `text` as a JSON string with its quotes (RFC 8259, section 7); invalid UTF-8 becomes
 *     U+FFFD
 */
std::string jsonString(std::string_view text);

}  // namespace Passenger
