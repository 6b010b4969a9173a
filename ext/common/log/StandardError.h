#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace Passenger {

/**
 * Writes whole lines to the current descriptor 2; a log rotation replaces it by dup2. Lines of up
 * to PIPE_BUF bytes are written whole, so lines of several processes do not mix.
 *
 * While data is left, `goOn` is called after each write, and every STANDARD_ERROR_TURN milliseconds
 * while descriptor 2 accepts no data. If `goOn` returns false, the rest is lost. A pipe without a
 * reader accepts no data as long as `awaitReader` returns true: a reload may give descriptor 2 a
 * new one. Data that causes another error, such as a full disk, is lost. If that breaks a line off,
 * the next line in the same log begins after a line break.
 *
 * The descriptor's flags stay unchanged, since other processes share them. So the call still blocks
 * if another process fills the pipe between the poll and the write.
 *
 * @return how many lines are lost, in whole or in part
 */
std::size_t writeToStandardError(std::string_view lines, const std::function<bool()> &goOn,
                                 const std::function<bool()> &awaitReader = {});

inline constexpr int STANDARD_ERROR_TURN = 100;

}  // namespace Passenger
