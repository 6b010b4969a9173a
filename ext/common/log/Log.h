#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/LogTarget.h"
#include "log/LogFields.h"
#include "log/LogFormat.h"
#include "log/LogLevel.h"

namespace Passenger {

class LogQueue;
class RecentEvents;

/**
 * The agent's log. An example of a line:
 * `[2026-11-20 09:14:00.123 +00:00] [passenger:notice] [pid 4711] event=instance.exited
 * app="/srv/blog (production)" signal=9`. `"` and `\` in a value between quotes are escaped
 * (LogFields).
 *
 * Lines go to the current descriptor 2, unless setTarget() says otherwise; a log rotation replaces
 * it by dup2. Lines of up to PIPE_BUF bytes do not mix with lines of other processes. A line is
 * lost if the log accepts no data for a second. Thread-safe. httpd's processes use httpd's own log
 * instead.
 */
namespace Log {

void setLevel(LogLevel level) noexcept;
LogLevel level() noexcept;
inline bool enabled(LogLevel wanted) noexcept {
    return wanted <= level();
}
/** The default is TEXT. */
void setFormat(LogFormat format);
/** The default is descriptor 2. */
void setTarget(const LogTarget &target);
/** Whether lines of applications have the prefix `App PID output: ` in the text form
 *  (PassengerDisableLogPrefix). The default is true. */
void setOutputPrefix(bool prefix) noexcept;
bool outputPrefix() noexcept;
/** The last events of each application that write() got. */
RecentEvents &recentEvents();
/** Called for each line of write() that is shown, by any thread, perhaps with locks of up to level
 *  5. It returns at once and does not log. */
using Listener = std::function<void(std::string_view line)>;
/** The former listener may still be called meanwhile. Null: none. */
void setListener(std::shared_ptr<const Listener> listener);
/** Writes one line, whose values are escaped already. Line breaks and control characters in `text`
 *  are escaped. */
void write(LogLevel level, std::string_view text);
/**
 * Writes a line of an application's output without change, after the prefix `App PID output: ` if
 * `prefix` is true. @param pid 0: unknown
 */
void writeApplicationOutput(int pid, std::string_view line, bool prefix);
/** Writes a line of a file that an application writes, after the prefix `App log PATH: `. */
void writeCopiedLine(std::string_view path, std::string_view line, bool prefix);

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

/** Formats and writes one line. Between quotes, arguments are escaped. */
template <typename... Args> void log(LogLevel level, fmt::format_string<Args...> format, Args &&...args) {
    if (enabled(level)) {
        write(level, LogFields::compose(LogFields::textOf(format), fmt::make_format_args(args...)));
    }
}
template <typename... Args> void error(fmt::format_string<Args...> format, Args &&...args) {
    log(LogLevel::ERROR, format, std::forward<Args>(args)...);
}
template <typename... Args> void warn(fmt::format_string<Args...> format, Args &&...args) {
    log(LogLevel::WARN, format, std::forward<Args>(args)...);
}
template <typename... Args> void notice(fmt::format_string<Args...> format, Args &&...args) {
    log(LogLevel::NOTICE, format, std::forward<Args>(args)...);
}
template <typename... Args> void info(fmt::format_string<Args...> format, Args &&...args) {
    log(LogLevel::INFO, format, std::forward<Args>(args)...);
}
template <typename... Args> void debug(fmt::format_string<Args...> format, Args &&...args) {
    log(LogLevel::DEBUG, format, std::forward<Args>(args)...);
}

}  // namespace Log

}  // namespace Passenger
