#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * Reads the wait status of a process that is no child of the agent. Its parent writes the status
 * into a pipe as a decimal number (doc/PROTOCOLS.md, section 4.2). The parent may be an
 * application's preloader. So the status is used only for messages, and for the choice of a second
 * attempt.
 *
 * Waits up to `timeout`, so not on the event loop. Thread-safe.
 * @return nothing if no status came in time
 */
std::optional<int> readWaitStatus(const FileDescriptor &pipe, std::chrono::milliseconds timeout);
/** ` status=3` or ` signal=9`, to append to an event; empty if unknown. */
std::string waitStatusField(const std::optional<int> &status);

}  // namespace Passenger
