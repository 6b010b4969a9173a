#include "exchange/AppVersion.h"

#include <poll.h>

namespace Passenger {

bool AppVersion::isCurrent() const noexcept {
    if (table == nullptr || table->generation(groupSlot) != generation) {
        return false;
    }
    // The table of an agent that has ended keeps its last content.
    pollfd agent{agentLife, 0, 0};
    return agentLife < 0 || poll(&agent, 1, 0) == 0;
}

}  // namespace Passenger
