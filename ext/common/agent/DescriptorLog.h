#pragma once

#include <string>

#include "agent/EndableThread.h"

namespace Passenger {

/**
 * PassengerFileDescriptorLogFile: lists what the pool process has open, at once and every minute, in a thread of its own; for whoever
 * looks for a leak. Each listing begins with a line that has the time, the reason and the count.
 *
 * Owned by the engine. Its methods are for one thread, and block on the file system.
 */
class DescriptorLog {
public:
    /** From now on there; empty: nowhere. What cannot be written is logged. @param reason of the listing at once */
    void use(const std::string &path, const std::string &reason);

private:
    EndableThread thread_;
};

}  // namespace Passenger
