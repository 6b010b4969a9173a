#include "log/JournalMessage.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>

#include <fmt/format.h>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/string_generator.hpp>

#include "log/LogFormat.h"
#include "log/SyslogMessage.h"

namespace Passenger {

namespace {

/** Fields of this class, and those that journald or its tools understand
 *  (systemd.journal-fields(7)). */
constexpr std::array<std::string_view, 12> TAKEN{"MESSAGE",         "MESSAGE_ID",    "PRIORITY",   "SYSLOG_IDENTIFIER",
                                                 "SYSLOG_FACILITY", "SYSLOG_PID",    "CODE_FILE",  "CODE_LINE",
                                                 "ERRNO",           "INVOCATION_ID", "OBJECT_PID", "UNIT"};
/** Bytes of a name; journald drops a field with a longer one. */
constexpr std::size_t LONGEST_NAME = 64;
constexpr int BYTE_BITS = 8;

std::string nameOfField(std::string_view key) {
    std::string name(key.substr(0, LONGEST_NAME - 1));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char character) { return static_cast<char>(std::toupper(character)); });
    if (std::find(TAKEN.begin(), TAKEN.end(), name) != TAKEN.end()) {
        name += '_';
    }
    return name;
}

void append(std::string &datagram, std::string_view name, std::string_view value) {
    datagram += name;
    if (value.find('\n') == std::string_view::npos) {
        datagram += '=';
    } else {
        datagram += '\n';
        for (std::uint64_t size = value.size(), byte = 0; byte < sizeof size; ++byte, size >>= BYTE_BITS) {
            datagram += static_cast<char>(size);
        }
    }
    datagram += value;
    datagram += '\n';
}

}  // namespace

std::string journalMessage(const LogRecord &record) {
    const LogFields parts = record.fields();
    std::string datagram;
    append(datagram, "MESSAGE", formatMessage(record, LogFormat::TEXT));
    append(datagram, "PRIORITY", std::to_string(syslogPriority(record)));
    append(datagram, "SYSLOG_IDENTIFIER", LOG_IDENTIFIER);
    if (const LogFields::Field *const event = parts.find("event")) {
        append(datagram, "MESSAGE_ID", journalMessageId(event->value));
    }
    for (const LogFields::Field &field : parts.fields) {
        // journald drops fields that begin with another character.
        if (std::isalpha(static_cast<unsigned char>(field.key.front())) != 0) {
            append(datagram, nameOfField(field.key), field.value);
        }
    }
    return datagram;
}

std::string journalMessageId(std::string_view event) {
    const boost::uuids::name_generator_sha1 generate(boost::uuids::string_generator()(JOURNAL_NAMESPACE));
    std::string id;
    for (const std::uint8_t byte : generate(event.data(), event.size())) {
        id += fmt::format("{:02x}", byte);
    }
    return id;
}

}  // namespace Passenger
