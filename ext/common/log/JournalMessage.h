#pragma once

#include <string>
#include <string_view>

#include "log/LogRecord.h"

namespace Passenger {

/**
 * The datagram for journald (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). MESSAGE is the line in
 * text form; PRIORITY and SYSLOG_IDENTIFIER are those of syslog. Each field of the line is a field
 * with its name in capitals, such as EVENT, APP and PID. A name that journald uses itself gets a
 * `_` at its end. Thread-safe.
 */
std::string journalMessage(const LogRecord &record);

/** MESSAGE_ID of an event: the UUID of version 5 (RFC 9562) of its name, in JOURNAL_NAMESPACE,
 *  without hyphens. */
std::string journalMessageId(std::string_view event);

/** Fixed, since administrators search by MESSAGE_ID. */
inline constexpr const char *JOURNAL_NAMESPACE = "5f0d3e8a-6f0c-4d0e-9c57-2b1f4f3a8e61";

}  // namespace Passenger
