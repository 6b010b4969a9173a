#pragma once

#include <chrono>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * How a process ended that is not our child: its parent writes the wait status into a pipe, as a decimal number (doc/PROTOCOLS.md, section
 * 4.2). That parent may be an application's preloader, so what it writes is for the log only.
 *
 * Waits for it up to `timeout`, so not for the event loop. Thread-safe.
 *
 * @return ` status=3` or ` signal=9`, to be put behind an event; empty when nobody told in time
 */
std::string readWaitStatus(const FileDescriptor &pipe, std::chrono::milliseconds timeout);

}  // namespace Passenger
