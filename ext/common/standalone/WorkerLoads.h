#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * By this file workers know of each other how much waits there, so that none has a longer queue than the others (lib/passenger/http/worker_loads.rb,
 * HttpBalance). Each worker has a place: a byte that it writes itself, and its pid, by which it finds the byte. The monitor gives places
 * and clears them; it is the only one that writes pids. Of one thread.
 *
 * First come the bytes, one for each place: 0 where there is no worker, or one that is about to end, else how many wait and one.
 * Then the pids of all places, 32 bits each, in this machine's order; 0: nobody's.
 * Then as many bytes and one more that are the workers' alone, for the seats that they share (lib/passenger/http/cpu_slots.rb).
 */
class WorkerLoads {
public:
    /** @throws SystemException */
    explicit WorkerLoads(std::size_t places);
    const FileDescriptor &descriptor() const noexcept {
        return memory_.descriptor();
    }
    /** The worker, for which nothing waits yet, gets a place. Where there is none left, it goes without: the
     * others do not count it. */
    void enter(pid_t pid);
    /** It has ended. One without a place may leave, too. */
    void leave(pid_t pid);

private:
    /** @return the place of the pid; places_ where it has none */
    std::size_t find(pid_t pid) const;
    std::size_t offsetOfPid(std::size_t place) const noexcept;
    void setByte(std::size_t place, std::uint8_t value);

    const std::size_t places_;
    SharedMemory memory_;
};

}  // namespace Passenger
