#pragma once

#include <chrono>
#include <cstddef>

namespace Passenger {

/**
 * Waits until `fd` has one of `events` (POLLIN, POLLOUT), an error or a hang-up, or until
 * `deadline`. Signals do not end the wait. With a deadline in the past the call does not block.
 * Thread-safe.
 *
 * @return false if the deadline passed
 * @throws SystemException
 */
bool pollUntil(int fd, short events, std::chrono::steady_clock::time_point deadline);

/** The number of bytes that can be read from a pipe now. */
std::size_t waitingIn(int pipe) noexcept;

/**
 * The time `timeout` from now. A timeout above a year counts as a year, so that the sum does not
 * overflow.
 */
std::chrono::steady_clock::time_point deadlineIn(std::chrono::milliseconds timeout);

/** The time from `now` to `then`, rounded up: a wait for it does not end early. 0 if `then` has
 *  passed. */
std::chrono::milliseconds timeUntil(std::chrono::steady_clock::time_point then,
                                    std::chrono::steady_clock::time_point now);
/** The time from now to `then` in the form of poll(), a day at most. */
int millisecondsUntil(std::chrono::steady_clock::time_point then);

}  // namespace Passenger
