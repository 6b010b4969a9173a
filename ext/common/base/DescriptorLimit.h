#pragma once

#include <cstddef>
#include <string>

namespace Passenger {

/** The limit of descriptors of the calling process: RLIMIT_NOFILE, the soft one. */
std::size_t descriptorLimit() noexcept;

/** How many descriptors the calling process has open; 0: /proc cannot be read. */
std::size_t openDescriptors() noexcept;

/** For messages: which limit of which process it is, its value, and what raises it. Needs no
 *  descriptor. */
std::string explainDescriptorLimit();

}  // namespace Passenger
