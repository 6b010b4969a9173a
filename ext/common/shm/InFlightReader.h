#pragma once

#include <cstdint>
#include <vector>

#include "base/FileDescriptor.h"
#include "shm/Layouts.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * A child's InFlightTable as the agent reads it: by system call, because the child is not trusted.
 * Guarded by its owner.
 */
class InFlightReader {
public:
    InFlightReader() = default;
    /** @throws ProtocolException when the file is not sealed or has another size */
    explicit InFlightReader(FileDescriptor fd);
    /** The requests of this Group that are being sent or were sent. */
    std::vector<InFlightEntry> inFlight(std::uint32_t groupSlot) const;
    explicit operator bool() const noexcept {
        return static_cast<bool>(memory_);
    }

private:
    SharedMemory memory_;
};

}  // namespace Passenger
