#include "bridge/EventLog.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include <fmt/format.h>

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

void write(std::string_view event, std::string_view fields) {
    std::string line = fmt::format("event={} app=\"{}\" {}", event, application(), fields);
    // One line it stays, whatever a request had in it.
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, '?');
    line += '\n';
    // A log that cannot be written must not fail what wanted to be logged.
    static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

}  // namespace Passenger::Bridge::EventLog
