#include "log/SyslogMessage.h"

#include <syslog.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/LocalTime.h"

namespace Passenger {

int syslogPriority(const LogRecord &record) noexcept {
    if (record.source != LogRecord::Source::AGENT) {
        return LOG_INFO;
    }
    switch (record.level) {
        case LogLevel::CRIT: return LOG_CRIT;
        case LogLevel::ERROR: return LOG_ERR;
        case LogLevel::WARN: return LOG_WARNING;
        case LogLevel::NOTICE: return LOG_NOTICE;
        case LogLevel::INFO: return LOG_INFO;
        default: return LOG_DEBUG;
    }
}

std::string syslogMessage(const LogRecord &record, LogFormat format, int facility) {
    return fmt::format("<{}>{:%b %e %H:%M:%S} {}[{}]: {}", facility | syslogPriority(record),
                       localTime(std::chrono::system_clock::to_time_t(record.time)), LOG_IDENTIFIER, record.pid,
                       formatMessage(record, format));
}

}  // namespace Passenger
