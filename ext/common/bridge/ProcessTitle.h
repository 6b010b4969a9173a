#pragma once

#include <string>

namespace Passenger::Bridge {

/**
 * Sets what ps and /proc/PID/cmdline show of this process. The title takes the place of the
 * arguments and of the environment that the process began with; `environ` gets a copy before. A
 * title that is too long is cut. The process has a single thread. Without /proc nothing happens.
 */
void setProcessTitle(const std::string &title);

}  // namespace Passenger::Bridge
