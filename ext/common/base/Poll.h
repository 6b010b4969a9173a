#pragma once

#include <chrono>

namespace Passenger {

/**
 * Waits until `fd` has one of `events` (POLLIN, POLLOUT), an error or a hang-up, at most until `deadline`; signals do not end the
 * wait. A deadline in the past only looks. Thread-safe.
 *
 * @return false when the deadline passed. @throws SystemException
 */
bool pollUntil(int fd, short events, std::chrono::steady_clock::time_point deadline);

/** The moment `timeout` from now; very long ones are cut to a year, so that nothing overflows. */
std::chrono::steady_clock::time_point deadlineIn(std::chrono::milliseconds timeout);

}  // namespace Passenger
