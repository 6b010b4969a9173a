#pragma once

#include "control/AppStatus.h"
#include "pool/Snapshot.h"

namespace Passenger {

/** What the pool knows of an application. Open: user, uid, windows, points, events, and the cpuTime
 *  and unmeasured memory of instances. */
AppStatus statusOf(const GroupSnapshot &group);

}  // namespace Passenger
