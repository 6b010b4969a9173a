#pragma once

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * The agent's side of the keeper of a booting process (doc/PROTOCOLS.md, section 4.2). Unless
 * succeeded() is called, the keeper kills all processes that the boot has started, daemons
 * included. It does so also if the agent ends.
 *
 * The destructor calls sweep() unless succeeded() was called. An empty object does nothing. Not
 * thread-safe.
 */
class BootGuard {
public:
    BootGuard() noexcept = default;
    /** @param socket connected to the keeper */
    explicit BootGuard(FileDescriptor socket) noexcept;
    BootGuard(BootGuard &&other) noexcept = default;
    BootGuard &operator=(BootGuard &&other) noexcept;
    ~BootGuard();

    /** The boot has succeeded: the keeper does not kill its processes. Never blocks. */
    void succeeded() noexcept;
    /**
     * Lets the keeper kill all processes, and waits for that for some seconds at most. For
     * background threads only.
     */
    void sweep() noexcept;

private:
    FileDescriptor keeper_;
};

}  // namespace Passenger
