#include "shm/InFlightTable.h"

#include <algorithm>
#include <bit>
#include <string_view>

#include "base/Exceptions.h"

namespace Passenger {

InFlightTable::InFlightTable()
    : memory_("passenger-in-flight", InFlightLayout::SIZE, InFlightLayout::MAGIC, InFlightLayout::ENTRIES),
      mapping_(memory_.descriptor(), InFlightLayout::SIZE, Mapping::Access::READ_WRITE) {}

std::uint32_t InFlightTable::allocate() {
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
    throw IOException("this process has 4,096 requests in flight, the limit for a process: lower ThreadsPerChild");
}

void InFlightTable::release(std::uint32_t entry) {
    done(entry);
    const LockGuard guard(mutex_);
    taken_[entry / 64] &= ~(std::uint64_t{1} << (entry % 64));
}

void InFlightTable::describe(std::uint32_t entry, Ticket ticket, const RequestLabel &label) noexcept {
    RequestNote *note = mapping_.at<RequestNote>(InFlightLayout::note(entry));
    char *next = note->text;
    char *const last = note->text + sizeof(note->text) - 1;
    for (const std::string_view part : {label.client, label.method, label.id, label.uri}) {
        const std::size_t size = part.copy(next, static_cast<std::size_t>(last - next));
        next[size] = '\0';
        next = std::min(next + size + 1, last);
    }
    __atomic_store_n(&note->ticket, ticket.value(), __ATOMIC_RELEASE);
}

void InFlightTable::sending(std::uint32_t entry, ChannelId channel, Ticket ticket, std::uint32_t groupSlot,
                            MonotonicTime since) noexcept {
    InFlightEntry *slot = at(entry);
    __atomic_store_n(&slot->channel, channel.value(), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->ticket, ticket.value(), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->since, toNanoseconds(since), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->groupSlot, groupSlot, __ATOMIC_RELAXED);
    __atomic_store_n(reinterpret_cast<std::uint32_t *>(&slot->state),
                     static_cast<std::uint32_t>(InFlightState::SENDING), __ATOMIC_SEQ_CST);
}

void InFlightTable::sent(std::uint32_t entry) noexcept {
    __atomic_store_n(reinterpret_cast<std::uint32_t *>(&at(entry)->state),
                     static_cast<std::uint32_t>(InFlightState::SENT), __ATOMIC_RELEASE);
}

void InFlightTable::done(std::uint32_t entry) noexcept {
    __atomic_store_n(reinterpret_cast<std::uint32_t *>(&at(entry)->state),
                     static_cast<std::uint32_t>(InFlightState::FREE), __ATOMIC_RELEASE);
}

}  // namespace Passenger
