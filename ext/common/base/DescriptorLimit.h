#pragma once

#include <cstddef>
#include <string>

namespace Passenger {

/** The limit of descriptors of the calling process: RLIMIT_NOFILE, the soft one. */
std::size_t descriptorLimit() noexcept;

/** For messages: which limit of which process it is, its value, and what raises it. Needs no
 *  descriptor. */
std::string explainDescriptorLimit();

/** The context of an error message. If the error is EMFILE, the limit is added.
 *  @param error an errno value */
std::string withDescriptorLimit(const std::string &context, int error);

}  // namespace Passenger
