#include "shm/InstanceClaim.h"

namespace Passenger {

namespace {

void store(std::uint64_t &place, std::uint64_t value) noexcept {
    __atomic_store_n(&place, value, __ATOMIC_RELEASE);
}

}  // namespace

InstanceClaim::Memory::Memory(const FileDescriptor &claims, const FileDescriptor &senders)
    : claims(claims, ClaimsLayout::SIZE, Mapping::Access::READ_WRITE),
      senders(senders, SenderMemoryLayout::SIZE, Mapping::Access::READ_ONLY) {}

InstanceClaim::InstanceClaim(const Memory &memory, std::uint32_t cell) noexcept
    : memory_(memory), cell_(*memory.claims.at<ClaimCell>(ClaimsLayout::offset(cell))) {}

/** The channel is written before the ticket: a reader never sees the ticket with no channel. */
bool InstanceClaim::take(ChannelId channel, Ticket ticket) noexcept {
    // In one order with the ticket and the mark: a child looks at the channel first.
    __atomic_store_n(&cell_.channel, channel.value(), __ATOMIC_SEQ_CST);
    // Not a store and a fence, because ThreadSanitizer does not support fences.
    __atomic_exchange_n(&cell_.ticket, ticket.value(), __ATOMIC_SEQ_CST);
    const auto *mark = memory_.senders.at<std::uint64_t>(SenderMemoryLayout::mark(channel.value()));
    return !SenderMemoryLayout::withdraws(__atomic_load_n(mark, __ATOMIC_SEQ_CST), channel.value(), ticket.value());
}

void InstanceClaim::clear() noexcept {
    store(cell_.ticket, 0);
    store(cell_.channel, 0);
}

void InstanceClaim::complete(MonotonicTime now) noexcept {
    store(cell_.answered, __atomic_load_n(&cell_.answered, __ATOMIC_RELAXED) + 1);
    store(cell_.lastUsed, toNanoseconds(now));
    clear();
}

}  // namespace Passenger
