#include "io/Board.h"

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
    if (!free_.empty()) {
        const std::uint32_t entry = free_.back();
        free_.pop_back();
        return entry;
    }
    if (unused_ == BoardLayout::ENTRIES) {
        throw IOException("this process has 4,096 requests in flight, the most that it may");
    }
    return unused_++;
}

void Board::release(std::uint32_t entry) {
    done(entry);
    const LockGuard guard(mutex_);
    free_.push_back(entry);
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
    std::vector<BoardEntry> entries(BoardLayout::ENTRIES);
    memory_.read(entries.data(), entries.size() * sizeof(BoardEntry), BoardLayout::offset(0));
    std::erase_if(entries, [&](const BoardEntry &entry) {
        return entry.groupSlot != groupSlot || (entry.state != BoardState::SENDING && entry.state != BoardState::SENT);
    });
    return entries;
}

}  // namespace Passenger
