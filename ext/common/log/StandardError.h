#pragma once

#include <functional>
#include <string_view>

namespace Passenger {

/**
 * Writes whole lines to whatever descriptor 2 is at each moment; a log rotation replaces it by dup2. Lines that fit into PIPE_BUF
 * are never cut, so that lines of several processes do not get mixed.
 *
 * While something is left, `goOn` is asked after each write, and every STANDARD_ERROR_TURN milliseconds while descriptor 2 takes
 * nothing; false: the rest is lost. So is what cannot be written: there is nobody to tell. The descriptor's flags stay as they are,
 * since other processes share them; so this still blocks where another process fills a pipe between our look and our write.
 */
void writeToStandardError(std::string_view lines, const std::function<bool()> &goOn);

inline constexpr int STANDARD_ERROR_TURN = 100;

}  // namespace Passenger
