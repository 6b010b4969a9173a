#pragma once

#include <string>
#include <string_view>

#include "log/LogRecord.h"

namespace Passenger {

/** PassengerLogFormat. */
enum class LogFormat { TEXT, JSON };

/** "json" is JSON. Everything else is TEXT. */
constexpr LogFormat logFormatIn(std::string_view text) noexcept {
    return text == "json" ? LogFormat::JSON : LogFormat::TEXT;
}

/** The record as one line of the log, with its line break. Thread-safe. */
std::string formatLine(const LogRecord &record, LogFormat format);

/** The record for a log that adds time, level, pid and the end of the line itself: syslog,
 *  journald. */
std::string formatMessage(const LogRecord &record, LogFormat format);

}  // namespace Passenger
