#pragma once

#include <string>
#include <vector>

#include "base/FileDescriptor.h"

namespace Passenger {

/** Descriptors that outlive the pool process that stores them, with a note for its successors. */
struct StoreEntry {
    std::string key;
    /** Written by the pool process; opaque to the watchdog. */
    std::string note;
    /** MAX_DESCRIPTORS at most. */
    std::vector<FileDescriptor> descriptors;
};

}  // namespace Passenger
