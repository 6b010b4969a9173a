#include "log/LogFormat.h"

#include <cctype>
#include <cstdint>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/LocalTime.h"
#include "base/WholeNumber.h"

namespace Passenger {

namespace {

/** The time to the millisecond with its offset to UTC. Each part stands behind a separator. */
std::string timeText(std::chrono::system_clock::time_point time, const char *ofTime, const char *ofOffset) {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    const std::tm parts = localTime(std::chrono::system_clock::to_time_t(time));
    const long offset = std::abs(parts.tm_gmtoff) / 60;
    return fmt::format("{:%Y-%m-%d}{}{:%H:%M:%S}.{:03}{}{}{:02}:{:02}", parts, ofTime, parts, milliseconds % 1000,
                       ofOffset, parts.tm_gmtoff < 0 ? '-' : '+', offset / 60, offset % 60);
}

/** Escapes line breaks and control characters. Otherwise the source of a part of a message could
 *  add forged lines to the log. */
std::string escaped(std::string_view text) {
    std::string line;
    for (const char character : text) {
        const auto byte = static_cast<unsigned char>(character);
        if (character == '\n') {
            line += "\\n";
        } else if (character == '\r') {
            line += "\\r";
        } else if (character == '\t') {
            line += "\\t";
        } else if (byte < 0x20 || byte == 0x7F) {
            line += fmt::format("\\x{:02x}", byte);
        } else {
            line += character;
        }
    }
    return line;
}

std::string textMessage(const LogRecord &record) {
    switch (record.source) {
        case LogRecord::Source::AGENT: return escaped(record.text);
        case LogRecord::Source::OUTPUT:
            return record.prefix ? fmt::format("App {} output: {}", record.appPid, record.text) : record.text;
        case LogRecord::Source::COPY:
            return record.prefix ? fmt::format("App log {}: {}", record.file, record.text) : record.text;
    }
    return record.text;
}

std::string textLine(const LogRecord &record) {
    if (record.source != LogRecord::Source::AGENT) {
        return textMessage(record);
    }
    return fmt::format("[{}] [passenger:{}] [pid {}] {}", timeText(record.time, " ", " "), nameOf(record.level),
                       record.pid, textMessage(record));
}

nlohmann::ordered_json valueOf(const LogFields::Field &field) {
    const auto number = wholeNumber<std::int64_t>(field.value);
    // The number of a report is hexadecimal. One in another form, such as 007, would lose a part.
    if (!field.quoted && field.key != "report" && number && std::to_string(*number) == field.value) {
        return *number;
    }
    return field.value;
}

std::string jsonLine(const LogRecord &record) {
    constexpr const char *MESSAGE = "message";
    const LogFields parts = record.fields();
    nlohmann::ordered_json line{{"time", timeText(record.time, "T", "")},
                                {"level", record.source == LogRecord::Source::AGENT ? nameOf(record.level) : "output"},
                                {"agent_pid", record.pid}};
    for (const LogFields::Field &field : parts.fields) {
        std::string key = field.key;
        while (key == MESSAGE || line.contains(key)) {
            key += '_';
        }
        line[key] = valueOf(field);
    }
    const bool isEvent = record.source == LogRecord::Source::AGENT && record.text.starts_with("event=");
    if (!isEvent || !parts.rest.empty()) {
        line[MESSAGE] = parts.rest;
    }
    return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

std::string formatLine(const LogRecord &record, LogFormat format) {
    return (format == LogFormat::JSON ? jsonLine(record) : textLine(record)) + '\n';
}

std::string formatMessage(const LogRecord &record, LogFormat format) {
    return format == LogFormat::JSON ? jsonLine(record) : textMessage(record);
}

}  // namespace Passenger
