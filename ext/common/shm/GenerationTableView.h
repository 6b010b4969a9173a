#pragma once

#include <cstdint>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Mapping.h"

namespace Passenger {

/**
 * The GenerationTable as children see it: a read-only mapping. Owned by the process that sends
 * requests. Thread-safe.
 */
class GenerationTableView {
public:
    explicit GenerationTableView(const FileDescriptor &fd);
    Generation generation(std::uint32_t groupSlot) const noexcept;
    std::uint32_t capacity(std::uint32_t groupSlot) const noexcept;
    std::uint32_t childSlots() const noexcept;

private:
    Mapping mapping_;
};

}  // namespace Passenger
