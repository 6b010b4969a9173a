#pragma once

#include <string>
#include <vector>

#include "base/FileDescriptor.h"

namespace Passenger {

/** Descriptors that outlive the pool process which deposits them, with what that process needs to know about them. */
struct StoreEntry {
    std::string key;
    /** Of the pool process's own making; the watchdog does not look into it. */
    std::string note;
    /** At most MAX_DESCRIPTORS. */
    std::vector<FileDescriptor> descriptors;
};

}  // namespace Passenger
