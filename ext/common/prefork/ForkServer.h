#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A process with one thread that forks workers for a monitor that has threads. It is itself forked before the monitor has any, so that a worker,
 * which goes on in the same program, finds no lock that is held by a thread that it does not have.
 *
 * Its workers are killed (PDEATHSIG) when it ends, and it ends with the monitor, however that ends: by PDEATHSIG, and since its socket ends.
 */
namespace ForkServer {

/** Fork a worker. With it come the worker's standard output and error. One order at a time. */
struct Order {
    std::uint64_t id;
};
/** What came of an order. With it comes the worker's pidfd, if `error` is 0. */
struct Birth {
    std::uint64_t id;
    std::int32_t pid;
    /** errno */
    std::int32_t error;
};
/** A worker has ended and was reaped. */
struct Death {
    std::uint64_t id;
    std::int32_t status;
    std::int32_t padding = 0;
};

/** What the fork server has of the monitor. Its own ends only: those of the monitor must be closed. */
struct Descriptors {
    /** Orders and births, deaths. SOCK_SEQPACKET. */
    FileDescriptor orders;
    FileDescriptor deaths;
    /** Becomes the standard input of workers. */
    FileDescriptor lifeline;
};

/** In the new process: forks workers that do `work`, until the monitor has ended. @param monitor its pid */
[[noreturn]] void run(Descriptors descriptors, const std::function<void()> &work, pid_t monitor) noexcept;

}  // namespace ForkServer

}  // namespace Passenger
