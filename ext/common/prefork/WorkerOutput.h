#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "io/LineReader.h"

namespace Passenger {

/**
 * The messages of a worker to its monitor. The worker writes one of these to its standard output,
 * at any time, in one write.
 *
 * UTF-8 text has no bytes 0xFE and 0xFF, so no line of text contains a message. Messages are short:
 * a pipe takes all bytes or none, even with several writers. A message may stand anywhere, also
 * within a line; the line continues after it.
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
 * Divides the standard output of a worker into messages and lines. Lines may contain NUL bytes. A
 * line over LineReader::MAX_LINE bytes is cut. Bytes that only begin like a message belong to their
 * line. Not thread-safe.
 */
class WorkerOutput {
public:
    /**
     * @param output a message, or a line without its line break, which never equals a message.
     * Valid during the call only.
     */
    using Callback = std::function<void(std::string_view output)>;

    void feed(std::string_view bytes, const Callback &callback);
    /** The output has ended. The rest is a line, too. */
    void finish(const Callback &callback);

private:
    /** Bytes that may begin a message; shorter than a message. */
    std::string held_;
    LineReader lines_;
};

/**
 * In a worker: writes a message. Waits while the pipe is full.
 * @throws SystemException (EPIPE: the monitor has ended)
 */
void tellMonitor(int descriptor, std::string_view constant);

}  // namespace Passenger
