#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * How a process ended that is not our child: its parent writes the wait status into a pipe, as a decimal number (doc/PROTOCOLS.md, section
 * 4.2). That parent may be an application's preloader, so what it writes is for people only, and for a second attempt.
 *
 * Waits for it up to `timeout`, so not for the event loop. Thread-safe. Nothing: nobody told in time.
 */
std::optional<int> readWaitStatus(const FileDescriptor &pipe, std::chrono::milliseconds timeout);
/** ` status=3` or ` signal=9`, to be put behind an event; empty when it is not known. */
std::string waitStatusField(const std::optional<int> &status);

}  // namespace Passenger
