#include "shm/Board.h"

#include <algorithm>
#include <bit>

#include "base/Exceptions.h"

namespace Passenger {

Board::Board()
    : memory_("passenger-board", BoardLayout::SIZE),
      mapping_(memory_.descriptor(), BoardLayout::SIZE, Mapping::Access::READ_WRITE) {
    auto *header = mapping_.at<MemoryHeader>(0);
    header->magic = BoardLayout::MAGIC;
    header->version = LAYOUT_VERSION;
    header->capacity = BoardLayout::ENTRIES;
}

std::uint32_t Board::allocate() {
    const LockGuard guard(mutex_);
    for (std::uint32_t word = 0; word < taken_.size(); word++) {
        const auto bit = static_cast<std::uint32_t>(std::countr_one(taken_[word]));
        if (bit < 64) {
            taken_[word] |= std::uint64_t{1} << bit;
            const std::uint32_t entry = word * 64 + bit;
            std::uint32_t *used = &mapping_.at<MemoryHeader>(0)->extra;
            __atomic_store_n(used, std::max(*used, entry + 1), __ATOMIC_RELAXED);
            return entry;
        }
    }
    throw IOException("this process has 4,096 requests in flight, the most that it may");
}

void Board::release(std::uint32_t entry) {
    done(entry);
    const LockGuard guard(mutex_);
    taken_[entry / 64] &= ~(std::uint64_t{1} << (entry % 64));
}

void Board::sending(std::uint32_t entry, ChannelId channel, Ticket ticket, std::uint32_t groupSlot,
                    MonotonicTime since) noexcept {
    BoardEntry *slot = at(entry);
    __atomic_store_n(&slot->channel, channel.value(), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->ticket, ticket.value(), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->since, toNanoseconds(since), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->groupSlot, groupSlot, __ATOMIC_RELAXED);
    __atomic_store_n(reinterpret_cast<std::uint32_t *>(&slot->state), static_cast<std::uint32_t>(BoardState::SENDING),
                     __ATOMIC_SEQ_CST);
}

void Board::sent(std::uint32_t entry) noexcept {
    __atomic_store_n(reinterpret_cast<std::uint32_t *>(&at(entry)->state), static_cast<std::uint32_t>(BoardState::SENT),
                     __ATOMIC_RELEASE);
}

void Board::done(std::uint32_t entry) noexcept {
    __atomic_store_n(reinterpret_cast<std::uint32_t *>(&at(entry)->state), static_cast<std::uint32_t>(BoardState::FREE),
                     __ATOMIC_RELEASE);
}

BoardReader::BoardReader(FileDescriptor fd) : memory_(SharedMemory::adopt(std::move(fd), BoardLayout::SIZE)) {}

std::vector<BoardEntry> BoardReader::inFlight(std::uint32_t groupSlot) const {
    const std::uint32_t used = memory_.readU32(offsetof(MemoryHeader, extra));
    std::vector<BoardEntry> entries(std::min(used, BoardLayout::ENTRIES));
    memory_.read(entries.data(), entries.size() * sizeof(BoardEntry), BoardLayout::offset(0));
    std::erase_if(entries, [&](const BoardEntry &entry) {
        return entry.groupSlot != groupSlot || (entry.state != BoardState::SENDING && entry.state != BoardState::SENT);
    });
    return entries;
}

}  // namespace Passenger
