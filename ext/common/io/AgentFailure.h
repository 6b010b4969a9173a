#pragma once

#include <exception>

#include "io/Frame.h"

namespace Passenger {

/**
 * AGENT_FAILED frames: an exception of the pool process becomes one, and an exception of the same kind in httpd's
 * parent. Two pure functions, so that both sides of the frame stand beside each other.
 */
Frame describeFailure(const std::exception &exception);

/** @throws SystemException, SpawnException, boost::thread_resource_error, or IOException for everything else */
[[noreturn]] void throwFailure(const Frame &failure);

}  // namespace Passenger
