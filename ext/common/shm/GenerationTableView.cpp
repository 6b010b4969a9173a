#include "shm/GenerationTableView.h"

#include "shm/Layouts.h"

namespace Passenger {

GenerationTableView::GenerationTableView(const FileDescriptor &fd)
    : mapping_(fd, GenerationLayout::SIZE, Mapping::Access::READ_ONLY) {}

Generation GenerationTableView::generation(std::uint32_t groupSlot) const noexcept {
    return Generation(
        __atomic_load_n(mapping_.at<std::uint64_t>(GenerationLayout::offset(groupSlot)), __ATOMIC_ACQUIRE));
}

std::uint32_t GenerationTableView::capacity(std::uint32_t groupSlot) const noexcept {
    return __atomic_load_n(
        mapping_.at<std::uint32_t>(GenerationLayout::offset(groupSlot) + offsetof(GenerationEntry, capacity)),
        __ATOMIC_RELAXED);
}

std::uint32_t GenerationTableView::childSlots() const noexcept {
    return __atomic_load_n(mapping_.at<std::uint32_t>(offsetof(MemoryHeader, extra)), __ATOMIC_RELAXED);
}

}  // namespace Passenger
