#include "log/Log.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "base/Mutex.h"
#include "base/Poll.h"
#include "log/LogOutput.h"
#include "log/LogQueue.h"
#include "log/LogRecord.h"
#include "log/RecentEvents.h"
#include "log/StandardError.h"

namespace Passenger::Log {

namespace {

std::atomic<LogLevel> currentLevel{LogLevel::NOTICE};
std::atomic<bool> currentOutputPrefix = true;

/** The limit for a direct write while the log accepts no data, and for the end of the Writer. */
constexpr std::chrono::seconds PATIENCE{1};

template <typename Value> struct Shared {
    Mutex mutex{Locks::LOG};
    std::shared_ptr<Value> value GUARDED_BY(mutex);

    static Shared &instance() {
        static auto &shared = *new Shared;
        return shared;
    }
    std::shared_ptr<Value> get() {
        const LockGuard guard(mutex);
        return value;
    }
    void set(std::shared_ptr<Value> next) {
        const LockGuard guard(mutex);
        value.swap(next);
    }
};
/** Holds the queue for lines while a Writer exists. */
using Route = Shared<LogQueue>;
using Listening = Shared<const Listener>;

LogOutput &output() {
    static auto &output = *new LogOutput;
    return output;
}

LogRecord recordOf(LogRecord::Source source, std::string_view text) {
    LogRecord record;
    record.source = source;
    record.time = std::chrono::system_clock::now();
    record.pid = ::getpid();
    record.text = text;
    return record;
}

std::string pack(LogLevel level, std::string_view text) {
    LogRecord record = recordOf(LogRecord::Source::AGENT, text);
    record.level = level;
    return record.pack();
}

std::string packDropped(std::uint64_t count) {
    return pack(LogLevel::WARN, fmt::format("event=log.dropped lines={}", count));
}

/** @return how many lines are lost */
std::size_t writeNow(std::string_view record, LogQueue::TimePoint deadline) {
    return output().write(record, {[deadline] { return std::chrono::steady_clock::now() < deadline; }});
}

void writeOrQueue(std::string_view record) {
    const auto queue = Route::instance().get();
    if (queue == nullptr || !queue->put(record)) {
        // Where the log has not taken the last line, further ones shall not wait for it one by one.
        static std::atomic<bool> stuck = false;
        stuck = writeNow(record, deadlineIn(stuck ? std::chrono::seconds(0) : PATIENCE)) > 0;
    }
}

/**
 * Writes the line before it returns, since the process may be about to abort. The queued lines come
 * first, if they can be written in time.
 */
void writeBehindTheQueue(std::string_view record) {
    const auto deadline = deadlineIn(PATIENCE);
    if (const auto queue = Route::instance().get()) {
        queue->flush(deadline);
    }
    writeNow(record, deadline);
}

void runWriter(LogQueue &queue) {
    pthread_setname_np(pthread_self(), "log");
    const LogOutput::Patience patience{[&queue] { return queue.worthWaiting(); }, [&queue] { return queue.open(); }};
    // Lines that a full disk has not taken.
    std::uint64_t lost = 0;
    for (std::string records; queue.take(records);) {
        if (lost > 0 && output().write(packDropped(lost), patience) == 0) {
            lost = 0;
        }
        lost += output().write(records, patience);
    }
}

}  // namespace

void setLevel(LogLevel level) noexcept {
    currentLevel = level;
}

LogLevel level() noexcept {
    return currentLevel;
}

void setFormat(LogFormat format) {
    output().use(format);
}

void setTarget(const LogTarget &target) {
    output().use(target);
}

void setOutputPrefix(bool prefix) noexcept {
    currentOutputPrefix = prefix;
}

bool outputPrefix() noexcept {
    return currentOutputPrefix;
}

RecentEvents &recentEvents() {
    static auto &events = *new RecentEvents;
    return events;
}

void setListener(std::shared_ptr<const Listener> listener) {
    Listening::instance().set(std::move(listener));
}

void write(LogLevel level, std::string_view text) {
    if (!enabled(level)) {
        return;
    }
    recentEvents().note(text, std::chrono::system_clock::now());
    if (const auto listener = Listening::instance().get()) {
        (*listener)(text);
    }
    const std::string record = pack(level, text);
    if (level == LogLevel::CRIT) {
        writeBehindTheQueue(record);
    } else {
        writeOrQueue(record);
    }
}

void writeApplicationOutput(int pid, std::string_view line, bool prefix) {
    LogRecord record = recordOf(LogRecord::Source::OUTPUT, line);
    record.appPid = pid;
    record.prefix = prefix;
    writeOrQueue(record.pack());
}

void writeCopiedLine(std::string_view path, std::string_view line, bool prefix) {
    LogRecord record = recordOf(LogRecord::Source::COPY, line);
    record.file = path;
    record.prefix = prefix;
    writeOrQueue(record.pack());
}

Writer::Writer() : queue_(std::make_shared<LogQueue>(packDropped)), thread_([queue = queue_] { runWriter(*queue); }) {
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
