#pragma once

#include <string_view>

#include <fmt/format.h>

namespace Passenger {

/** PassengerLogLevel's numbers. */
enum class LogLevel { CRIT = 0, ERROR = 1, WARN = 2, NOTICE = 3, INFO = 4, DEBUG = 5, DEBUG2 = 6, DEBUG3 = 7 };

/**
 * The agent's log: lines like
 * `[2026-11-20 09:14:00.123 +00:00] [passenger:notice] [pid 4711] event=instance.exited app="/srv/blog (production)" signal=9`.
 *
 * Writes to descriptor 2 with one write(2) a line; a log rotation replaces descriptor 2 by dup2. Thread-safe. Not used in httpd's
 * processes, which have httpd's own log.
 */
namespace Log {

void setLevel(LogLevel level) noexcept;
LogLevel level() noexcept;
inline bool enabled(LogLevel wanted) noexcept {
    return wanted <= level();
}
/** Writes one line. Line breaks and control characters in `text` are escaped. */
void write(LogLevel level, std::string_view text);
/** Writes a line of an application's own output, as it is, with the prefix `App PID output: ` where `prefix` is set. */
void writeApplicationOutput(int pid, std::string_view line, bool prefix);

template <typename... Args> void error(fmt::format_string<Args...> format, Args &&...args) {
    if (enabled(LogLevel::ERROR)) {
        write(LogLevel::ERROR, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <typename... Args> void warn(fmt::format_string<Args...> format, Args &&...args) {
    if (enabled(LogLevel::WARN)) {
        write(LogLevel::WARN, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <typename... Args> void notice(fmt::format_string<Args...> format, Args &&...args) {
    if (enabled(LogLevel::NOTICE)) {
        write(LogLevel::NOTICE, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <typename... Args> void info(fmt::format_string<Args...> format, Args &&...args) {
    if (enabled(LogLevel::INFO)) {
        write(LogLevel::INFO, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <typename... Args> void debug(fmt::format_string<Args...> format, Args &&...args) {
    if (enabled(LogLevel::DEBUG)) {
        write(LogLevel::DEBUG, fmt::format(format, std::forward<Args>(args)...));
    }
}

}  // namespace Log

}  // namespace Passenger
