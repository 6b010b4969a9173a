#pragma once

#include "control/InstanceStatus.h"

namespace Passenger {

/** For how many seconds the instance has had no request; at most since its start.
 *  @param now as ServerStatus::now */
double idleFor(const InstanceStatus &instance, double now);

/** Per cent of one core since the start of the instance's process, whichever pool process started
 *  it. */
unsigned cpuPercent(const InstanceStatus &instance);

}  // namespace Passenger
