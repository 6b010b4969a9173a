#pragma once

#include <string>

namespace Passenger {

/**
 * How much of the last ten seconds all processes with work waited for memory at once, in percent.
 * The kernel's pressure stall information (PSI) has it as "full avg10". Thread-safe.
 *
 * @param file /proc/pressure/memory, or memory.pressure of a control group
 * @return 0 if the kernel does not tell
 */
double memoryPressure(const std::string &file);

}  // namespace Passenger
