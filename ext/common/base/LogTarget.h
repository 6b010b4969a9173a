#pragma once

#include <syslog.h>

#include <optional>
#include <string_view>

namespace Passenger {

/** Where the agent's log goes: what PassengerLogFile says, beside a file or a command. */
struct LogTarget {
    enum class Kind {
        /** Descriptor 2: a file, a pipe, or httpd's error log. */
        DESCRIPTOR,
        SYSLOG,
        JOURNALD
    };

    Kind kind = Kind::DESCRIPTOR;
    /** For SYSLOG: a facility of syslog(3), such as LOG_DAEMON. The default is that of httpd's
     *  ErrorLog. */
    int facility = LOG_LOCAL7;

    /** Whether the value names syslog or journald, perhaps wrongly. Any other value is no matter of
     *  this class. */
    static bool isNamedBy(std::string_view value) noexcept;
    /**
     * @param value `syslog`, `syslog:FACILITY` or `journald`, in letters of any case
     * @return nothing: the value names none of them, or no facility of syslog(3)
     */
    static std::optional<LogTarget> parse(std::string_view value) noexcept;

    friend bool operator==(const LogTarget &, const LogTarget &) = default;
};

/** The allowed values of PassengerLogFile, for messages. */
inline constexpr const char *LOG_TARGETS =
    "a path, |COMMAND, journald, syslog, or syslog:FACILITY with auth, authpriv, cron, daemon, ftp, kern, lpr, mail, "
    "news, syslog, user, uucp, or local0 to local7";

}  // namespace Passenger
