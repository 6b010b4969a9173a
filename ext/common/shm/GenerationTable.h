#pragma once

#include <cstdint>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "shm/Layouts.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * Which generation each Group's line has, and how many requests its instances can run at once: what a child must know for each request,
 * without asking. Agent's side; not thread-safe.
 */
class GenerationTable {
public:
    /** @throws SystemException */
    GenerationTable();
    const SharedMemory &memory() const noexcept {
        return memory_;
    }
    /** Generation zero: children have to ask the agent. */
    void publish(std::uint32_t groupSlot, Generation generation, std::uint32_t capacity);
    void setChildSlots(std::uint32_t count);

private:
    SharedMemory memory_;
};

/** The table as children see it: a read-only mapping. Thread-safe. */
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
