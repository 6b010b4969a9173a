#pragma once

#include <memory>
#include <string_view>
#include <thread>

#include <fmt/format.h>

namespace Passenger {

class LogQueue;

/** PassengerLogLevel's numbers. */
enum class LogLevel { CRIT = 0, ERROR = 1, WARN = 2, NOTICE = 3, INFO = 4, DEBUG = 5, DEBUG2 = 6, DEBUG3 = 7 };

/**
 * The agent's log: lines like
 * `[2026-11-20 09:14:00.123 +00:00] [passenger:notice] [pid 4711] event=instance.exited app="/srv/blog (production)" signal=9`.
 *
 * Writes to whatever descriptor 2 is; a log rotation replaces it by dup2. Lines of up to PIPE_BUF bytes stay whole among those of
 * other processes. A log that takes nothing for a second loses the line. Thread-safe. Not used in httpd's processes, which have
 * httpd's own log.
 */
namespace Log {

void setLevel(LogLevel level) noexcept;
LogLevel level() noexcept;
inline bool enabled(LogLevel wanted) noexcept {
    return wanted <= level();
}
/** Whether the lines of applications get the prefix `App PID output: `; they do, until this says otherwise. */
void setOutputPrefix(bool prefix) noexcept;
bool outputPrefix() noexcept;
/** Writes one line. ApplicationQueue breaks and control characters in `text` are escaped. */
void write(LogLevel level, std::string_view text);
/** Writes a line of an application's own output, as it is, with the prefix `App PID output: ` where `prefix` is set. */
void writeApplicationOutput(int pid, std::string_view line, bool prefix);

/**
 * While it lives, lines are written by a thread of its own, in order, and nobody who logs waits for the log: when it takes too little
 * for too long, lines are dropped, and `event=log.dropped lines=N` says how many as soon as it takes some again. Lines of level CRIT
 * are still written before write() returns, if the log takes them within a second.
 *
 * One at a time, and only in a process that may have threads. The destructor writes what is left, for at most about a second.
 */
class Writer {
public:
    /** @throws std::system_error when no thread can be made */
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
