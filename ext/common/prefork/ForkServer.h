#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A process with one thread that forks workers for a monitor with threads. The monitor forks it
 * before it has other threads. So a worker, which continues in the same program, never finds a lock
 * that a thread of the monitor holds.
 *
 * Its workers are killed (PDEATHSIG) when it ends. It ends with the monitor: by PDEATHSIG, and
 * because its socket ends.
 */
namespace ForkServer {

/**
 * The order to fork a worker. The message carries the worker's standard output and error. One order
 * at a time.
 */
struct Order {
    std::uint64_t id;
};
/** The result of an order. The message carries the worker's pidfd if `error` is 0. */
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

/**
 * The fork server's ends of what it shares with the monitor. The monitor's ends must be closed in
 * the fork server.
 */
struct Descriptors {
    /** For orders and births, and for deaths. SOCK_SEQPACKET. */
    FileDescriptor orders;
    FileDescriptor deaths;
    /** Becomes the standard input of workers. */
    FileDescriptor lifeline;
};

/**
 * In the new process: forks workers that call `work`, until the monitor has ended.
 * @param monitor its pid
 */
[[noreturn]] void run(Descriptors descriptors, const std::function<void()> &work, pid_t monitor) noexcept;

}  // namespace ForkServer

}  // namespace Passenger
