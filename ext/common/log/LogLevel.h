#pragma once

namespace Passenger {

/** The numbers of PassengerLogLevel. */
enum class LogLevel { CRIT = 0, ERROR = 1, WARN = 2, NOTICE = 3, INFO = 4, DEBUG = 5, DEBUG2 = 6, DEBUG3 = 7 };

constexpr const char *nameOf(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::CRIT: return "crit";
        case LogLevel::ERROR: return "error";
        case LogLevel::WARN: return "warn";
        case LogLevel::NOTICE: return "notice";
        case LogLevel::INFO: return "info";
        case LogLevel::DEBUG: return "debug";
        case LogLevel::DEBUG2: return "debug2";
        case LogLevel::DEBUG3: return "debug3";
    }
    return "unknown";
}

}  // namespace Passenger
