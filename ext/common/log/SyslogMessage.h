#pragma once

#include <string>

#include "log/LogFormat.h"
#include "log/LogRecord.h"

namespace Passenger {

/** The name under which syslog and journald know the agent. */
inline constexpr const char *LOG_IDENTIFIER = "mod_passenger";

/** The priority of syslog(3) for a record: LOG_CRIT to LOG_DEBUG, and LOG_INFO for what an
 *  application has printed. */
int syslogPriority(const LogRecord &record) noexcept;

/** The datagram for /dev/log, in the form of RFC 3164 without a host name, as syslog(3) sends it:
 *  `<189>Nov 20 09:14:00 mod_passenger[4711]: event=…`. Thread-safe. */
std::string syslogMessage(const LogRecord &record, LogFormat format, int facility);

}  // namespace Passenger
