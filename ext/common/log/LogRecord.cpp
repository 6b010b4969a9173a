#include "log/LogRecord.h"

#include <cstdint>
#include <cstring>

namespace Passenger {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::system_clock;

struct Header {
    std::int64_t time;
    std::int32_t pid;
    std::int32_t appPid;
    std::uint32_t fileSize;
    std::uint32_t textSize;
    LogRecord::Source source;
    std::uint8_t level;
    bool prefix;
};

std::string take(std::string_view &packed, std::size_t size) {
    std::string part(packed.substr(0, size));
    packed.remove_prefix(part.size());
    return part;
}

}  // namespace

LogFields LogRecord::fields() const {
    LogFields fields;
    switch (source) {
        case Source::AGENT:
            fields = LogFields::parse(text);
            if (fields.find("report") != nullptr && fields.find("event") == nullptr) {
                fields.fields.insert(fields.fields.begin(), {"event", "report.line"});
            }
            return fields;
        case Source::OUTPUT:
            fields.fields = {{"event", "app.output"}};
            if (appPid > 0) {
                fields.fields.push_back({"app_pid", std::to_string(appPid)});
            }
            break;
        case Source::COPY: fields.fields = {{"event", "app.log"}, {"file", file, true}}; break;
    }
    fields.rest = text;
    return fields;
}

std::string LogRecord::pack() const {
    Header header{};
    header.time = duration_cast<milliseconds>(time.time_since_epoch()).count();
    header.pid = pid;
    header.appPid = appPid;
    header.fileSize = static_cast<std::uint32_t>(file.size());
    header.textSize = static_cast<std::uint32_t>(text.size());
    header.source = source;
    header.level = static_cast<std::uint8_t>(level);
    header.prefix = prefix;
    std::string packed(sizeof header, '\0');
    std::memcpy(packed.data(), &header, sizeof header);
    packed += file;
    packed += text;
    return packed;
}

LogRecord LogRecord::unpack(std::string_view &packed) {
    Header header{};
    std::memcpy(&header, packed.data(), sizeof header);
    packed.remove_prefix(sizeof header);
    LogRecord record;
    record.source = header.source;
    record.level = static_cast<LogLevel>(header.level);
    record.time = system_clock::time_point(milliseconds(header.time));
    record.pid = header.pid;
    record.appPid = header.appPid;
    record.prefix = header.prefix;
    record.file = take(packed, header.fileSize);
    record.text = take(packed, header.textSize);
    return record;
}

}  // namespace Passenger
