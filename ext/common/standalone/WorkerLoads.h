#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * A file in memory by which workers know how many requests wait at the other workers. So none has a
 * longer queue than the others (lib/passenger/http/worker_loads.rb, HttpBalance). Each worker has a
 * place: its pid, and a byte that the worker writes itself. It finds the byte by its pid. The
 * monitor gives places and clears them; only the monitor writes pids. Not thread-safe.
 *
 * First come the bytes, one for each place. 0: no worker, or a worker that is to end. Else the
 * number of waiting requests plus one. Then come the pids of all places, 32 bits each, in the
 * machine's byte order. 0: none. Then comes a byte for each place and one more, which the workers
 * use for their CPU slots (lib/passenger/http/cpu_slots.rb).
 */
class WorkerLoads {
public:
    /** @throws SystemException */
    explicit WorkerLoads(std::size_t places);
    const FileDescriptor &descriptor() const noexcept { return memory_.descriptor(); }
    /**
     * Gives the worker a place, with no requests waiting. Without a free place nothing happens: the
     * others do not count the worker.
     */
    void enter(pid_t pid);
    /** The worker has ended. Nothing happens if it had no place. */
    void leave(pid_t pid);

private:
    /** @return the place of the pid; places_ without one */
    std::size_t find(pid_t pid) const;
    std::size_t offsetOfPid(std::size_t place) const noexcept;
    void setByte(std::size_t place, std::uint8_t value);

    const std::size_t places_;
    SharedMemory memory_;
};

}  // namespace Passenger
