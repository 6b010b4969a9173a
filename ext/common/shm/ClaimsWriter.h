#pragma once

#include <cstdint>

#include "base/FileDescriptor.h"
#include "shm/Mapping.h"

namespace Passenger {

/**
 * The agent's way to write into a claims file: atomic stores into a mapping. A system call would
 * wait for the kernel's lock of the file, and an instance can hold that lock for as long as it
 * likes. The file is the agent's own and sealed against shrinking. An instance can punch holes into
 * it: a cell without memory, and without memory left for it, is left alone, since it holds nothing
 * (doc/decisions/0044-mapped-claims.md). Owned by Claims, or for one use.
 */
class ClaimsWriter {
public:
    /** @throws SystemException, ProtocolException */
    explicit ClaimsWriter(const FileDescriptor &claims);
    /** Children look at the cells before `end`. */
    void use(std::uint32_t end) noexcept;
    /** The cell is as new. */
    void clear(std::uint32_t cell) noexcept;
    /** A claim in the cell is of an instance that died (ClaimsLayout::DIED).
     *  @param killed by the agent */
    void noteDeath(std::uint32_t cell, bool killed) noexcept;

private:
    bool hasMemory(const void *place) const noexcept;

    Mapping mapping_;
};

}  // namespace Passenger
