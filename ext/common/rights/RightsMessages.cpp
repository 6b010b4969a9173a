#include "rights/RightsMessages.h"

namespace Passenger {

std::vector<std::string> fieldsOf(const RunAs &runAs) {
    return {runAs.user, runAs.group, std::to_string(runAs.uid), std::to_string(runAs.gid), runAs.note};
}

RunAs runAsIn(const Frame &frame, std::size_t first) {
    return RunAs{frame.field(first), frame.field(first + 1), static_cast<uid_t>(frame.number(first + 2)),
                 static_cast<gid_t>(frame.number(first + 3)), frame.field(first + 4)};
}

}  // namespace Passenger
