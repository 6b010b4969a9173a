#include "shm/ClaimsWriter.h"

#include <cstddef>

#include "shm/Layouts.h"

namespace Passenger {

namespace {

template <typename Value> void store(Value &place, Value value) noexcept {
    __atomic_store_n(&place, value, __ATOMIC_SEQ_CST);
}

}  // namespace

ClaimsWriter::ClaimsWriter(const FileDescriptor &claims)
    : mapping_(claims, ClaimsLayout::SIZE, Mapping::Access::READ_WRITE) {}

void ClaimsWriter::use(std::uint32_t end) noexcept {
    store(*mapping_.at<std::uint32_t>(offsetof(MemoryHeader, extra)), end);
}

void ClaimsWriter::clear(std::uint32_t cell) noexcept {
    auto &place = *mapping_.at<ClaimCell>(ClaimsLayout::offset(cell));
    constexpr std::uint64_t NONE = 0;
    store(place.channel, NONE);
    store(place.ticket, NONE);
    store(place.answered, NONE);
    store(place.lastUsed, NONE);
}

void ClaimsWriter::noteDeath(std::uint32_t cell, bool killed) noexcept {
    std::uint64_t &channel = mapping_.at<ClaimCell>(ClaimsLayout::offset(cell))->channel;
    if (__atomic_load_n(&channel, __ATOMIC_SEQ_CST) != 0) {
        __atomic_or_fetch(&channel, ClaimsLayout::DIED | (killed ? ClaimsLayout::KILLED : 0), __ATOMIC_SEQ_CST);
    }
}

}  // namespace Passenger
