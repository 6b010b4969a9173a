#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * Signals that the rights process did not take, until they can be sent. Has spare descriptors for
 * the time when this process can open no further one.
 *
 * Owned by a RightsClient. Not thread-safe.
 */
class UnsentSignals {
public:
    using Send = std::function<void(const FileDescriptor &pidFd, int signal)>;

    /** Does not fail: the caller may be a timer. A signal that finds no descriptor is lost, and the
     *  log says so. */
    void keep(const FileDescriptor &pidFd, int signal) noexcept;
    /** Stops at the first one that cannot be sent. @throws what `send` throws */
    void sendAll(const Send &send);
    /** At the beginning, and after a use of keep(). @throws SystemException */
    void makeSpares();

private:
    std::vector<std::pair<FileDescriptor, int>> signals_;
    std::vector<FileDescriptor> spares_;
};

}  // namespace Passenger
