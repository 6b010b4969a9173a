#pragma once

#include <cstdint>
#include <memory>

#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "io/Serve.h"
#include "shm/InstanceClaim.h"

namespace Passenger::Bridge {

/**
 * The contents of a pool process's SERVE: the queue from which this instance takes requests, and
 * the shared memory in which it claims them. Each pool process has its own. Shared by the Intake
 * and its places; a place keeps a Handover until it gets a request of another one. Never changes.
 */
struct Handover {
    /** Takes the descriptors out of `frame`.
     *  @throws ProtocolException when it is malformed, SystemException */
    Handover(const Serve &serve, Frame &frame);

    FileDescriptor queue;
    InstanceClaim::Memory memory;
    /** The instance's own queue, or that for requests of high priority; empty: there is none. */
    FileDescriptor own;
    std::uint32_t firstCell = 0;
    std::uint32_t threads = 0;
    /** The instance's id for sticky sessions, or 0. */
    std::uint32_t stickyId = 0;
    /** No request is taken before the agent says so. */
    bool paused = false;
};
using HandoverPtr = std::shared_ptr<const Handover>;

}  // namespace Passenger::Bridge
