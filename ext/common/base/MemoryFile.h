#pragma once

#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/** A new file without a path (memfd_create), which can be sealed. No process can execute it. */
FileDescriptor createMemoryFile(const std::string &name);

}  // namespace Passenger
