#include "shm/GenerationTable.h"

namespace Passenger {

GenerationTable::GenerationTable()
    : memory_("passenger-generations", GenerationLayout::SIZE, GenerationLayout::MAGIC, GenerationLayout::GROUPS) {}

void GenerationTable::publish(std::uint32_t groupSlot, Generation generation, std::uint32_t capacity) {
    const std::size_t offset = GenerationLayout::offset(groupSlot);
    memory_.writeU32(capacity, offset + offsetof(GenerationEntry, capacity));
    memory_.writeU64(generation.value(), offset);
}

void GenerationTable::setChildSlots(std::uint32_t count) {
    memory_.writeU32(count, offsetof(MemoryHeader, extra));
}

}  // namespace Passenger
