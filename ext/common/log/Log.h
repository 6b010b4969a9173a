#pragma once

#include <memory>
#include <string_view>
#include <thread>

#include <fmt/format.h>

namespace Passenger {

class LogQueue;
class RecentEvents;

/** The numbers of PassengerLogLevel. */
enum class LogLevel { CRIT = 0, ERROR = 1, WARN = 2, NOTICE = 3, INFO = 4, DEBUG = 5, DEBUG2 = 6, DEBUG3 = 7 };

/**
 * The agent's log. An example of a line:
 * `[2026-11-20 09:14:00.123 +00:00] [passenger:notice] [pid 4711] event=instance.exited
 * app="/srv/blog (production)" signal=9`.
 *
 * Lines go to the current descriptor 2; a log rotation replaces it by dup2. Lines of up to PIPE_BUF
 * bytes do not mix with lines of other processes. A line is lost if the log accepts no data for a
 * second. Thread-safe. httpd's processes use httpd's own log instead.
 */
namespace Log {

void setLevel(LogLevel level) noexcept;
LogLevel level() noexcept;
inline bool enabled(LogLevel wanted) noexcept {
    return wanted <= level();
}
/** Whether lines of applications get the prefix `App PID output: `. The default is true. */
void setOutputPrefix(bool prefix) noexcept;
bool outputPrefix() noexcept;
/** The last events of each application that write() got. */
RecentEvents &recentEvents() noexcept;
/** Writes one line. Line breaks and control characters in `text` are escaped. */
void write(LogLevel level, std::string_view text);
/**
 * Writes a line of an application's output without change, after the prefix `App PID output: ` if
 * `prefix` is true.
 */
void writeApplicationOutput(int pid, std::string_view line, bool prefix);

/**
 * While a Writer exists, its thread writes the lines in order, and callers of write() do not wait.
 * If the log is too slow for too long, lines are dropped. `event=log.dropped lines=N` follows with
 * their number as soon as the log accepts data again. For a line of level CRIT, write() still waits
 * until the line is written, for at most a second.
 *
 * A process may have one Writer at a time, and must be allowed to have threads. The destructor
 * writes the remaining lines, for about a second at most.
 */
class Writer {
public:
    /** @throws std::system_error if no thread can be started */
    Writer();
    ~Writer();
    Writer(const Writer &) = delete;
    Writer &operator=(const Writer &) = delete;

private:
    std::shared_ptr<LogQueue> queue_;
    std::thread thread_;
};

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
