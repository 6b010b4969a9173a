#include "rights/RightsMessages.h"

#include <cstdint>

#include "base/Exceptions.h"

namespace Passenger {

std::vector<std::string> fieldsOf(const RunAs &runAs) {
    return {runAs.user, runAs.group, std::to_string(runAs.uid), std::to_string(runAs.gid), runAs.note};
}

RunAs runAsIn(const Frame &frame, std::size_t first) {
    return RunAs{frame.field(first), frame.field(first + 1), static_cast<uid_t>(frame.number(first + 2)),
                 static_cast<gid_t>(frame.number(first + 3)), frame.field(first + 4)};
}

void addList(Frame &frame, const std::vector<std::string> &fields) {
    frame.add(fields.size());
    frame.add(fields);
}

std::vector<std::string> listIn(const Frame &frame, std::size_t &next) {
    const std::uint64_t count = frame.number(next++);
    if (count > frame.fields.size() - next) {
        throw ProtocolException("fewer fields than their number says");
    }
    const auto first = frame.fields.begin() + static_cast<std::ptrdiff_t>(next);
    next += count;
    return {first, first + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace Passenger
