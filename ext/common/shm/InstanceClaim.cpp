#include "shm/InstanceClaim.h"

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>

#include "base/Exceptions.h"

namespace Passenger {

InstanceClaim::InstanceClaim(const FileDescriptor &claims, const FileDescriptor &senders, std::uint32_t cell) noexcept
    : claims_(claims), senders_(senders), cell_(cell) {}

bool InstanceClaim::take(ChannelId channel, Ticket ticket) {
    write({channel.value(), ticket.value()}, ClaimsLayout::CLAIM);
    return !withdrawn(channel, ticket);
}

void InstanceClaim::clear() {
    write({}, ClaimsLayout::CLAIM);
}

void InstanceClaim::complete(MonotonicTime now) {
    std::uint64_t answered = 0;
    const auto offset = static_cast<off_t>(ClaimsLayout::offset(cell_) + offsetof(ClaimCell, answered));
    if (::pread(claims_.get(), &answered, sizeof(answered), offset) != sizeof(answered)) {
        throw SystemException("pread() of a claim", errno);
    }
    write({.answered = answered + 1, .lastUsed = toNanoseconds(now)}, sizeof(ClaimCell));
}

/** The first bytes of the cell. */
void InstanceClaim::write(const ClaimCell &value, std::size_t size) {
    const auto offset = static_cast<off_t>(ClaimsLayout::offset(cell_));
    if (::pwrite(claims_.get(), &value, size, offset) != static_cast<ssize_t>(size)) {
        throw SystemException("pwrite() of a claim", errno);
    }
}

bool InstanceClaim::withdrawn(ChannelId channel, Ticket ticket) const {
    std::uint64_t mark = 0;
    const auto offset = static_cast<off_t>(SenderMemoryLayout::mark(channel.value()));
    if (::pread(senders_.get(), &mark, sizeof(mark), offset) != sizeof(mark)) {
        throw SystemException("pread() of a mark", errno);
    }
    return SenderMemoryLayout::withdraws(mark, channel.value(), ticket.value());
}

}  // namespace Passenger
