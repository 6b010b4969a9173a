#pragma once

#include <exception>

#include "io/Frame.h"

namespace Passenger {

/**
 * Converts an exception of the pool process to an AGENT_FAILED frame. In httpd's parent,
 * throwFailure() converts the frame to an exception of the same kind. Two pure functions.
 */
Frame describeFailure(const std::exception &exception);

/**
 * @throws SystemException, SpawnException or boost::thread_resource_error by the frame's kind, else
 *     IOException
 */
[[noreturn]] void throwFailure(const Frame &failure);

}  // namespace Passenger
