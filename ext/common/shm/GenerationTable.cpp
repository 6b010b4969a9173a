#include "shm/GenerationTable.h"

#include <linux/futex.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

#include "base/Exceptions.h"

namespace Passenger {

GenerationTable::GenerationTable()
    : memory_("passenger-generations", GenerationLayout::SIZE, GenerationLayout::MAGIC, GenerationLayout::GROUPS),
      header_(memory_.descriptor(), sizeof(MemoryHeader), Mapping::Access::READ_WRITE) {
    throwUnless(::getentropy(header_.at<char>(GenerationLayout::SECRET), GenerationLayout::SECRET_SIZE) == 0,
                "getentropy");
}

void GenerationTable::publish(std::uint32_t groupSlot, Generation generation, const InstanceCounts &instances) {
    const std::size_t offset = GenerationLayout::offset(groupSlot);
    memory_.write(&instances, sizeof(instances), offset + offsetof(GenerationEntry, instances));
    memory_.writeU64(generation.value(), offset);
}

void GenerationTable::publishPause(std::uint32_t groupSlot, MonotonicTime until) {
    memory_.writeU64(toNanoseconds(until),
                     GenerationLayout::offset(groupSlot) + offsetof(GenerationEntry, pausedUntil));
}

void GenerationTable::setChildSlots(std::uint32_t count) {
    memory_.writeU32(count, offsetof(MemoryHeader, extra));
}

void GenerationTable::askForIdleChannels() {
    auto *shortages = header_.at<std::uint32_t>(GenerationLayout::SHORTAGES);
    __atomic_fetch_add(shortages, 1, __ATOMIC_RELEASE);
    ::syscall(SYS_futex, shortages, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace Passenger
