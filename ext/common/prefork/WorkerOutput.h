#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "io/LineReader.h"

namespace Passenger {

/**
 * What a worker tells its monitor: one of these on its standard output, whenever it likes, in one write.
 *
 * The bytes 0xFE and 0xFF are in no UTF-8 text, so none of these can be in a line of text. They are five bytes: a pipe takes them whole or
 * not at all, whoever else writes into it. They are no lines, and may stand anywhere, also in the middle of one: the line goes on behind.
 */
inline constexpr std::string_view COMM_ACK =
    "\xFF\xFE"
    "A"
    "\xFE\xFF";
inline constexpr std::string_view COMM_BUSY =
    "\xFF\xFE"
    "B"
    "\xFE\xFF";
inline constexpr std::string_view COMM_NOT_BUSY =
    "\xFF\xFE"
    "N"
    "\xFE\xFF";

/**
 * Takes the standard output of a worker apart: the constants above, and lines of whatever else was written there. Lines may have NUL
 * bytes; those over LineReader::MAX_LINE bytes are cut. Bytes that only began like a constant are part of their line. Not thread-safe.
 */
class WorkerOutput {
public:
    /** @param output one of the constants, or a line without its line break, which is never equal to any of them. Valid during the call only. */
    using Callback = std::function<void(std::string_view output)>;

    void feed(std::string_view bytes, const Callback &callback);
    /** The output has ended: what is left is a line, too. */
    void finish(const Callback &callback);

private:
    /** The beginning of a constant, perhaps: shorter than one. */
    std::string held_;
    LineReader lines_;
};

/** Writes one of the constants to the descriptor, as a worker does. Waits where the pipe is full. @throws SystemException (EPIPE: the monitor is gone) */
void tellMonitor(int descriptor, std::string_view constant);

}  // namespace Passenger
