#include "log/Log.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <spdlog/pattern_formatter.h>

#include "base/Mutex.h"
#include "base/Poll.h"
#include "log/LogQueue.h"
#include "log/RecentEvents.h"
#include "log/StandardError.h"

namespace Passenger::Log {

namespace {

std::atomic<LogLevel> currentLevel{LogLevel::NOTICE};
std::atomic<bool> currentOutputPrefix = true;

/** The limit for a direct write while the log accepts no data, and for the end of the Writer. */
constexpr std::chrono::seconds PATIENCE{1};

/**
 * Formats the time before each line. Like all statics here it is never destroyed: threads may log
 * while the process exits.
 */
struct Formatter {
    Mutex mutex{Locks::LOG};
    spdlog::pattern_formatter pattern GUARDED_BY(mutex){"[%Y-%m-%d %H:%M:%S.%e %z] %v",
                                                        spdlog::pattern_time_type::local, "\n"};
};

/** Holds the queue for lines while a Writer exists. */
struct Route {
    Mutex mutex{Locks::LOG};
    std::shared_ptr<LogQueue> queue GUARDED_BY(mutex);

    static Route &instance() {
        static auto &route = *new Route;
        return route;
    }
    std::shared_ptr<LogQueue> get() {
        const LockGuard guard(mutex);
        return queue;
    }
    void set(std::shared_ptr<LogQueue> value) {
        const LockGuard guard(mutex);
        queue = std::move(value);
    }
};

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

/**
 * Escapes line breaks and control characters. Otherwise the source of a part of a message could add
 * forged lines to the log.
 */
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

std::string format(LogLevel level, std::string_view text) {
    static auto &formatter = *new Formatter;
    std::string message = fmt::format("[passenger:{}] [pid {}] ", nameOf(level), ::getpid());
    appendEscaped(message, text);
    spdlog::memory_buf_t line;
    const LockGuard guard(formatter.mutex);
    formatter.pattern.format({{}, spdlog::level::info, message}, line);
    return {line.data(), line.size()};
}

std::string formatDropped(std::uint64_t count) {
    return format(LogLevel::WARN, fmt::format("event=log.dropped lines={}", count));
}

void writeNow(std::string_view line, LogQueue::TimePoint deadline) {
    writeToStandardError(line, [deadline] { return std::chrono::steady_clock::now() < deadline; });
}

void writeOrQueue(std::string_view line) {
    const auto queue = Route::instance().get();
    if (queue == nullptr || !queue->put(line)) {
        writeNow(line, deadlineIn(PATIENCE));
    }
}

/**
 * Writes the line before it returns, since the process may be about to abort. The queued lines come
 * first, if they can be written in time.
 */
void writeBehindTheQueue(std::string_view line) {
    const auto deadline = deadlineIn(PATIENCE);
    if (const auto queue = Route::instance().get()) {
        queue->flush(deadline);
    }
    writeNow(line, deadline);
}

void runWriter(LogQueue &queue) {
    pthread_setname_np(pthread_self(), "log");
    for (std::string lines; queue.take(lines);) {
        writeToStandardError(lines, [&queue] { return queue.worthWaiting(); });
    }
}

}  // namespace

void setLevel(LogLevel level) noexcept {
    currentLevel = level;
}

LogLevel level() noexcept {
    return currentLevel;
}

void setOutputPrefix(bool prefix) noexcept {
    currentOutputPrefix = prefix;
}

bool outputPrefix() noexcept {
    return currentOutputPrefix;
}

RecentEvents &recentEvents() noexcept {
    static auto &events = *new RecentEvents;
    return events;
}

void write(LogLevel level, std::string_view text) {
    if (!enabled(level)) {
        return;
    }
    recentEvents().note(text, std::chrono::system_clock::now());
    const std::string line = format(level, text);
    if (level == LogLevel::CRIT) {
        writeBehindTheQueue(line);
    } else {
        writeOrQueue(line);
    }
}

void writeApplicationOutput(int pid, std::string_view line, bool prefix) {
    std::string output;
    if (prefix) {
        output = fmt::format("App {} output: ", pid);
    }
    output += line;
    output += '\n';
    writeOrQueue(output);
}

Writer::Writer() : queue_(std::make_shared<LogQueue>(formatDropped)), thread_([queue = queue_] { runWriter(*queue); }) {
    Route::instance().set(queue_);
}

Writer::~Writer() {
    const auto deadline = deadlineIn(PATIENCE);
    queue_->close(deadline);
    Route::instance().set(nullptr);
    // The writer's thread checks the deadline after each turn. Only a blocking write can keep it
    // longer; the thread is then detached.
    if (queue_->waitForWriter(deadline + 3 * std::chrono::milliseconds(STANDARD_ERROR_TURN))) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

}  // namespace Passenger::Log
