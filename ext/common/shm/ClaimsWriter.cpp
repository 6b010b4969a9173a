#include "shm/ClaimsWriter.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "shm/Layouts.h"

// Older versions of <sys/mman.h> lack it.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace Passenger {

namespace {

template <typename Value> void store(Value &place, Value value) noexcept {
    __atomic_store_n(&place, value, __ATOMIC_SEQ_CST);
}

}  // namespace

ClaimsWriter::ClaimsWriter(const FileDescriptor &claims)
    : mapping_(claims, ClaimsLayout::SIZE, Mapping::Access::READ_WRITE) {}

/** False: the page is a hole, and a store into it would raise SIGBUS. Linux before 5.14 does not
 *  tell. */
bool ClaimsWriter::hasMemory(const void *place) const noexcept {
    const auto size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const std::uintptr_t offset = reinterpret_cast<std::uintptr_t>(place) % size;
    void *page = const_cast<char *>(static_cast<const char *>(place) - offset);
    return ::madvise(page, size, MADV_POPULATE_WRITE) == 0 || errno == EINVAL;
}

void ClaimsWriter::use(std::uint32_t end) noexcept {
    auto *place = mapping_.at<std::uint32_t>(offsetof(MemoryHeader, extra));
    if (hasMemory(place)) {
        store(*place, end);
    }
}

void ClaimsWriter::clear(std::uint32_t cell) noexcept {
    auto &place = *mapping_.at<ClaimCell>(ClaimsLayout::offset(cell));
    if (!hasMemory(&place)) {
        return;
    }
    constexpr std::uint64_t NONE = 0;
    store(place.channel, NONE);
    store(place.ticket, NONE);
    store(place.answered, NONE);
    store(place.lastUsed, NONE);
}

void ClaimsWriter::noteDeath(std::uint32_t cell, bool killed) noexcept {
    std::uint64_t &channel = mapping_.at<ClaimCell>(ClaimsLayout::offset(cell))->channel;
    if (hasMemory(&channel) && __atomic_load_n(&channel, __ATOMIC_SEQ_CST) != 0) {
        __atomic_or_fetch(&channel, ClaimsLayout::DIED | (killed ? ClaimsLayout::KILLED : 0), __ATOMIC_SEQ_CST);
    }
}

}  // namespace Passenger
