#include "base/Log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include "base/Mutex.h"

namespace Passenger::Log {

namespace {

std::atomic<LogLevel> currentLevel{LogLevel::NOTICE};

/** One write(2) for a line, so that lines of several processes do not get mixed. What cannot be written is lost: there is nobody to tell. */
void writeToStandardError(const char *data, std::size_t size) noexcept {
    while (size > 0) {
        const ssize_t written = ::write(STDERR_FILENO, data, size);
        if (written > 0) {
            data += written;
            size -= static_cast<std::size_t>(written);
        } else if (errno != EINTR) {
            return;
        }
    }
}

/** Looks descriptor 2 up at each line, so that a log rotation may replace it. */
class StandardErrorSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
protected:
    void sink_it_(const spdlog::details::log_msg &message) override {
        const LockGuard guard(mutex_);
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        writeToStandardError(line.data(), line.size());
    }
    void flush_() override {}

private:
    /** One of ours instead of the base's, for its place in the order. Guards the formatter. */
    Mutex mutex_{Locks::LOG};
};

/** Never destroyed: threads may log while the process ends. Levels are ours, which spdlog has no names for. */
spdlog::logger &logger() {
    static auto *const instance = [] {
        auto result = std::make_unique<spdlog::logger>("passenger", std::make_shared<StandardErrorSink>());
        result->set_formatter(std::make_unique<spdlog::pattern_formatter>("[%Y-%m-%d %H:%M:%S.%e %z] %v",
                                                                          spdlog::pattern_time_type::local, "\n"));
        result->set_level(spdlog::level::trace);
        return result.release();
    }();
    return *instance;
}

const char *nameOf(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::CRIT:
            return "crit";
        case LogLevel::ERROR:
            return "error";
        case LogLevel::WARN:
            return "warn";
        case LogLevel::NOTICE:
            return "notice";
        case LogLevel::INFO:
            return "info";
        case LogLevel::DEBUG:
            return "debug";
        case LogLevel::DEBUG2:
            return "debug2";
        case LogLevel::DEBUG3:
            return "debug3";
    }
    return "unknown";
}

/** Without this, whoever controls a part of a message could write lines of his own into the log. */
void appendEscaped(std::string &line, std::string_view text) {
    constexpr char HEX_DIGITS[] = "0123456789abcdef";
    for (const char character : text) {
        const auto byte = static_cast<unsigned char>(character);
        if (character == '\n') {
            line += "\\n";
        } else if (character == '\r') {
            line += "\\r";
        } else if (character == '\t') {
            line += "\\t";
        } else if (byte < 0x20 || byte == 0x7F) {
            line += "\\x";
            line += HEX_DIGITS[byte >> 4];
            line += HEX_DIGITS[byte & 0xF];
        } else {
            line += character;
        }
    }
}

}  // namespace

void setLevel(LogLevel level) noexcept {
    currentLevel = level;
}

LogLevel level() noexcept {
    return currentLevel;
}

void write(LogLevel level, std::string_view text) {
    if (!enabled(level)) {
        return;
    }
    std::string line = fmt::format("[passenger:{}] [pid {}] ", nameOf(level), ::getpid());
    appendEscaped(line, text);
    logger().log(spdlog::level::critical, spdlog::string_view_t(line));
}

void writeApplicationOutput(int pid, std::string_view line, bool prefix) {
    std::string output;
    if (prefix) {
        output = fmt::format("App {} output: ", pid);
    }
    output += line;
    output += '\n';
    writeToStandardError(output.data(), output.size());
}

}  // namespace Passenger::Log
