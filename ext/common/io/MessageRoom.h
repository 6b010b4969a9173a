#pragma once

#include <cstddef>

#include "base/FileDescriptor.h"

namespace Passenger {

/** Lets the socket send messages of so many bytes where net.core.wmem_default is less, as far as
 *  net.core.wmem_max allows it. */
void makeRoomForMessages(const FileDescriptor &socket, std::size_t bytes) noexcept;

}  // namespace Passenger
