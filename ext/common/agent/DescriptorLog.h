#pragma once

#include <string>

#include "agent/EndableThread.h"

namespace Passenger {

/**
 * PassengerFileDescriptorLogFile: lists the open descriptors of the pool process, at once and every
 * minute, in a thread of its own. The list helps to find a leak. Each list begins with a line with
 * the time, the reason and the count.
 *
 * Owned by the engine. The methods are for one thread, and block on the file system.
 */
class DescriptorLog {
public:
    /** Lists into the file `path` from now on; empty: nowhere. Failures to write are logged. @param
     *  reason the reason in the first list */
    void use(const std::string &path, const std::string &reason);

private:
    EndableThread thread_;
};

}  // namespace Passenger
