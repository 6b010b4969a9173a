#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace Passenger {

/** Takes the text before the separator out of `text`, and the separator, too. @return that text;
 *  all of it if there is no separator */
std::string_view takePiece(std::string_view &text, char separator) noexcept;

/**
 * The pieces between the separators, empty ones included. A separator at the end of the text starts
 * no further piece.
 */
std::vector<std::string> split(std::string_view text, char separator);

/** What follows `label` in the first line that begins with it, as in /proc/PID/status. Empty: no
 *  line does. */
std::string afterLabel(std::string_view text, std::string_view label);

}  // namespace Passenger
