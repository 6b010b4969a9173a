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

/** For how many seconds the instance has had no request, as far as is known: instances of an
 *  application take turns, so the application's last use stands for that of each.
 *  @param now as ServerStatus::now */
double idleFor(const AppStatus &app, const InstanceStatus &instance, double now);

/** Per cent of one core since the instance's start. */
unsigned cpuPercent(const InstanceStatus &instance);

}  // namespace Passenger
