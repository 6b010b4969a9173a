#pragma once

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * Our side of the keeper of a process that boots (doc/PROTOCOLS.md, section 4.2): unless we say that the boot has succeeded, all
 * processes that it has started are killed, daemons included, also when we are gone ourselves.
 *
 * Destroying it without succeeded() is sweep(). An empty one does nothing. Not thread-safe.
 */
class BootGuard {
public:
    BootGuard() noexcept = default;
    /** @param socket connected to the keeper */
    explicit BootGuard(FileDescriptor socket) noexcept;
    BootGuard(BootGuard &&other) noexcept = default;
    BootGuard &operator=(BootGuard &&other) noexcept;
    ~BootGuard();

    /** Leaves the process and what it has started alone from now on. Never blocks. */
    void succeeded() noexcept;
    /** Has everything killed, and waits for that a moment: background threads only. */
    void sweep() noexcept;

private:
    FileDescriptor keeper_;
};

}  // namespace Passenger
