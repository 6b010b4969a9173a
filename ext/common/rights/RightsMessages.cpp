#include "rights/RightsMessages.h"

namespace Passenger {

void add(Frame &frame, const RunAs &runAs) {
    frame.add(runAs.user);
    frame.add(runAs.group);
    frame.add(std::uint64_t{runAs.uid});
    frame.add(std::uint64_t{runAs.gid});
    frame.add(runAs.note);
}

RunAs runAsIn(const Frame &frame, std::size_t first) {
    return RunAs{frame.field(first), frame.field(first + 1), static_cast<uid_t>(frame.number(first + 2)),
                 static_cast<gid_t>(frame.number(first + 3)), frame.field(first + 4)};
}

}  // namespace Passenger
