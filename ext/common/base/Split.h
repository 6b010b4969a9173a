#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace Passenger {

/** What stands between the separators, empty pieces included; a separator at the end begins no further one, as a line's end does not. */
std::vector<std::string> split(std::string_view text, char separator);

}  // namespace Passenger
