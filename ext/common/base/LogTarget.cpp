#include "base/LogTarget.h"

#include <strings.h>

#include <algorithm>
#include <array>

namespace Passenger {

namespace {

constexpr std::string_view SYSLOG = "syslog";
constexpr std::string_view JOURNALD = "journald";

struct Facility {
    std::string_view name;
    int number;
};

constexpr std::array FACILITIES{
    Facility{"auth", LOG_AUTH},     Facility{"authpriv", LOG_AUTHPRIV}, Facility{"cron", LOG_CRON},
    Facility{"daemon", LOG_DAEMON}, Facility{"ftp", LOG_FTP},           Facility{"kern", LOG_KERN},
    Facility{"lpr", LOG_LPR},       Facility{"mail", LOG_MAIL},         Facility{"news", LOG_NEWS},
    Facility{"syslog", LOG_SYSLOG}, Facility{"user", LOG_USER},         Facility{"uucp", LOG_UUCP},
    Facility{"local0", LOG_LOCAL0}, Facility{"local1", LOG_LOCAL1},     Facility{"local2", LOG_LOCAL2},
    Facility{"local3", LOG_LOCAL3}, Facility{"local4", LOG_LOCAL4},     Facility{"local5", LOG_LOCAL5},
    Facility{"local6", LOG_LOCAL6}, Facility{"local7", LOG_LOCAL7}};

bool same(std::string_view one, std::string_view other) noexcept {
    return one.size() == other.size() && ::strncasecmp(one.data(), other.data(), one.size()) == 0;
}

/** The part before the first colon. */
std::string_view nameIn(std::string_view value) noexcept {
    return value.substr(0, value.find(':'));
}

}  // namespace

bool LogTarget::isNamedBy(std::string_view value) noexcept {
    return same(nameIn(value), SYSLOG) || same(nameIn(value), JOURNALD);
}

std::optional<LogTarget> LogTarget::parse(std::string_view value) noexcept {
    if (same(value, JOURNALD)) {
        return LogTarget{Kind::JOURNALD};
    }
    if (same(value, SYSLOG)) {
        return LogTarget{Kind::SYSLOG};
    }
    if (!same(nameIn(value), SYSLOG)) {
        return std::nullopt;
    }
    const std::string_view facility = value.substr(SYSLOG.size() + 1);
    const auto found = std::find_if(FACILITIES.begin(), FACILITIES.end(),
                                    [&](const Facility &one) { return same(one.name, facility); });
    return found != FACILITIES.end() ? std::optional(LogTarget{Kind::SYSLOG, found->number}) : std::nullopt;
}

}  // namespace Passenger
