#pragma once

#include <cstddef>
#include <cstdint>

#include "control/ServerStatus.h"

namespace Passenger {

/**
 * An instance's share of its application's requests: the agent counts requests by application, not
 * by instance. The shares of all instances add up to the application's count.
 *
 * @param index of the instance
 */
std::uint64_t shareOfRequests(const AppStatus &app, std::size_t index);

/** Per cent of one core since the instance's start. */
unsigned cpuPercent(const InstanceStatus &instance);

}  // namespace Passenger
