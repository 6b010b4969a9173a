#include "bridge/EventLog.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/LogLimit.h"
#include "base/SystemClock.h"

namespace Passenger::Bridge::EventLog {

namespace {

std::string &application() {
    static std::string name;
    return name;
}

}  // namespace

void setApplication(std::string_view name) {
    application() = name;
}

std::string inQuotes(std::string_view text) {
    std::string result = "\"";
    for (const char character : text.substr(0, MOST_OF_TEXT)) {
        result += character == '"' || character == '\\' ? "\\" : "";
        result += character;
    }
    return result + (text.size() > MOST_OF_TEXT ? "...\"" : "\"");
}

void write(std::string_view event, std::string_view fields) {
    std::string line = fmt::format("event={} app={} {}", event, inQuotes(application()), fields);
    // An event stays one line, even with a request's bytes in it.
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, '?');
    line += '\n';
    // The caller goes on if the log cannot be written.
    static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

void complain(std::string_view event, std::string_view fields) {
    static std::mutex mutex;
    static LogLimit limit;
    static unsigned leftOut = 0;
    unsigned before = 0;
    {
        const std::lock_guard<std::mutex> guard(mutex);
        if (!limit.allows(SystemClock::instance().now())) {
            leftOut++;
            return;
        }
        before = std::exchange(leftOut, 0);
    }
    write(event, before == 0 ? std::string(fields) : fmt::format("{} left_out={}", fields, before));
}

}  // namespace Passenger::Bridge::EventLog
